/**
 * Virtual environments with Python packages, for tests with real clients and official definitions. They are kept in
 * `.local/python` and made once; without a package registry there are none.
 */
import { execFile } from "node:child_process";
import { access, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { repositoryRoot } from "../repository.ts";

export type SdkEnvironment =
  | { readonly kind: "ready"; readonly directory: string }
  /** For the test's output. */
  | { readonly kind: "unavailable"; readonly reason: string };

const run = promisify(execFile);
const installLimitMs = 120_000;

/** The environment with that version of `attune-sdk` and what it needs for sensors. */
export async function sdkEnvironment(version: string): Promise<SdkEnvironment> {
  return await environmentWith("attune-sdk", version, "[sensor]");
}

/** The environment with the official protobuf definitions of OTLP. */
export async function otlpEnvironment(): Promise<SdkEnvironment> {
  return await environmentWith("opentelemetry-proto", "1.45.2");
}

async function environmentWith(name: string, version: string, extras = ""): Promise<SdkEnvironment> {
  const kept = join(repositoryRoot, ".local/python", `${name}-${version}`);
  if (await exists(join(kept, "bin/python"))) return { kind: "ready", directory: kept };
  // Made under another name, so that what is interrupted is not taken for complete.
  const making = `${kept}.${process.pid}`;
  try {
    await mkdir(join(kept, ".."), { recursive: true });
    await run("python3", ["-m", "venv", making], { timeout: installLimitMs });
    const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"];
    await run(join(making, "bin/python"), [...install, `${name}${extras}==${version}`], {
      timeout: installLimitMs,
    });
    await rename(making, kept);
    return { kind: "ready", directory: kept };
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    // Another test file may have made it meanwhile.
    if (await exists(join(kept, "bin/python"))) return { kind: "ready", directory: kept };
    return { kind: "unavailable", reason: `${name} ${version} could not be installed: ${String(error)}` };
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
