import { hostname } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load-config.ts";
import type { Config } from "../../src/config/schema.ts";
import { repositoryRoot } from "../repository.ts";

/**
 * The default configuration, with all folders below `directory` and without this machine's settings.
 *
 * @param runtimes names of the detected interpreters; native is offered too, because one of the example sensors is
 *   executed directly
 * @param port of the API and the page
 */
export function quickstartConfig(directory: string, runtimes: readonly string[], port: number): Config {
  const settings = {
    packs_base_dir: join(repositoryRoot, "packs"),
    data_dir: join(directory, "data"),
    logs_dir: join(directory, "logs"),
    runtime_envs_dir: join(directory, "runtime_envs"),
    artifacts_dir: join(directory, "artifacts"),
    api: { port },
    // The page opens without a login.
    security: { development: true },
    sensor: { worker_name: "quickstart", capabilities: { runtimes: [...runtimes, "native"] } },
  };
  const { config } = loadConfig({
    flags: { config: "quickstart.yaml" },
    env: {},
    cwd: directory,
    hostname: hostname(),
    readFile: () => JSON.stringify(settings),
  });
  return config;
}
