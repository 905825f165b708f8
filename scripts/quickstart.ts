/**
 * Demonstrates the agent after cloning: runs example sensors, a timer and a webhook on an embedded database, gives them something
 * to observe, and prints a line for everything that happens.
 *
 *     scripts/quickstart [--seconds N] [--directory DIRECTORY]
 *
 * All its files are in .local/quickstart, or in the given directory. The database there is kept, so the next start
 * continues where the last one ended. It ends with a summary after Ctrl-C or N seconds.
 */
import { once } from "node:events";
import { openSync, writeSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { bootstrapRuntimes } from "../src/agent/bootstrap.ts";
import { failureText } from "../src/agent/failure-text.ts";
import { serveUntilStopped } from "../src/agent/serve-until-stopped.ts";
import { StopRequest } from "../src/agent/stop-request.ts";
import { agentVersion } from "../src/agent/version.ts";
import { feedLine } from "../src/agent/watch/feed-line.ts";
import { feedStyleOf, painted } from "../src/agent/watch/feed-style.ts";
import { runVersionCommands } from "../src/runtimes/version-commands.ts";
import { SensorService } from "../src/service.ts";
import { createLogger } from "../src/telemetry/pino-logger.ts";
import { systemClock } from "../src/time/clock.ts";
import { bundlePage, sourcesPageFolder, writePage } from "../build/page/bundle-page.ts";
import { startDemoWorld } from "./demo/demo-world.ts";
import { loadExamplePacks } from "./demo/load-example-packs.ts";
import { quickstartConfig } from "./demo/quickstart-config.ts";
import { addTo, emptyTally, summaryLines } from "./demo/tally.ts";
import { repositoryRoot } from "./repository.ts";
import { freePort } from "./services/free-port.ts";

const { values: options } = parseArgs({
  options: { seconds: { type: "string" }, directory: { type: "string" } },
});
const directory = resolve(options.directory ?? join(repositoryRoot, ".local", "quickstart"));
const logPath = join(directory, "agent.log");

const usualPort = 8_080;

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const complain = (text: string): void => void process.stderr.write(text);

const style = () => feedStyleOf(process.stdout, process.env);

try {
  await runQuickstart();
} catch (error) {
  complain(`quickstart: ${failureText(error)}\n`);
  process.exitCode = 1;
}

async function runQuickstart(): Promise<void> {
  await mkdir(directory, { recursive: true });
  await rm(logPath, { force: true });
  const log = openSync(logPath, "a");
  const writeBytes = (bytes: Uint8Array): number => writeSync(log, bytes);
  const logger = await createLogger({
    level: "info",
    format: "pretty",
    secrets: [],
    colour: false,
    writeBytes,
  });

  const bootstrap = await bootstrapRuntimes({ ...process.env }, runVersionCommands());
  const port = await apiPort();
  const config = quickstartConfig(
    directory,
    bootstrap.detectedInterpreters.map(({ name }) => name),
    port,
  );
  await writePage(await bundlePage(repositoryRoot), sourcesPageFolder(repositoryRoot));
  const webhookUrl = `http://127.0.0.1:${port}/webhooks/hello`;
  print(painted("strong", "attune-sensor-agent: example sensors on an embedded PostgreSQL", style()));
  print(painted("dim", `log: ${relative(process.cwd(), logPath)}; stop with Ctrl-C`, style()));
  print(`the page: http://127.0.0.1:${port}/`);
  print(`send it a webhook: ${greeting(webhookUrl)}`);
  print(painted("dim", "preparing the database; this takes a few seconds the first time", style()));
  await using world = await startDemoWorld({ logPath: join(directory, "shop.log"), webhookUrl }, systemClock);
  await loadExamplePacks(config, world, logger);

  const service = new SensorService({ config, logger, ...bootstrap, agentVersion, secrets: [] });
  const tally = emptyTally();
  using _ = service.activity.subscribe((entry) => {
    addTo(tally, entry);
    print(feedLine(entry, new Date(), style()));
  });
  const startedAtMs = systemClock.monotonicMs();
  const end = endAfter(options.seconds);
  using stop = new StopRequest(complain);
  await serveUntilStopped(service, stop);
  clearTimeout(end);

  print("");
  const seconds = (systemClock.monotonicMs() - startedAtMs) / 1_000;
  for (const line of summaryLines(tally, seconds, style())) print(line);
}

/** The usual port of the API if it is free, because the documentation names it. */
async function apiPort(): Promise<number> {
  const server = createServer().listen(usualPort, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return await freePort();
  }
  server.close();
  await once(server, "close");
  return usualPort;
}

function greeting(url: string): string {
  return `curl -X POST ${url} -H 'Content-Type: application/json' -d '{"name": "Ada"}'`;
}

/** Simulates Ctrl-C after this time. */
function endAfter(seconds: string | undefined): NodeJS.Timeout | undefined {
  if (seconds === undefined) return undefined;
  return setTimeout(() => process.kill(process.pid, "SIGINT"), Number(seconds) * 1_000);
}
