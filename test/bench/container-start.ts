/**
 * From exec to a worker that others can see, in a container of Debian with Python, on a PostgreSQL of this
 * machine; against `--version` of the same file in the same container, which is what loading it costs.
 *
 * The container's own shell notes the time and then becomes the agent, so what the engine takes to make
 * a container does not count. Nothing is cached for the worker: each start has a name of its own, probes the
 * image's interpreters and verifies the runtimes of the rows.
 */
import { chmod, mkdtempDisposable, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { openDocker } from "../agent/container/docker.ts";
import { provideImage } from "../agent/container/images.ts";
import { freshDatabase } from "../support/postgres.ts";
import { agentCommand } from "./rig/agent-command.ts";
import { median, report } from "./rig/report.ts";

const rounds = 15;
const activeMsMax = 250;
const startLimitMs = 30_000;

await using docker = await openDocker();
const image = await provideImage(docker, "python");
await using database = await freshDatabase();
await using notes = await mkdtempDisposable(join(tmpdir(), "attune-bench-container-"));
await chmod(notes.path, 0o755);
const { file, args, what } = agentCommand();
if (args.length > 0)
  throw new Error("the sources cannot be put into a container; make the executable: npm run build");

const floorMs: number[] = [];
const activeMs: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  floorMs.push(await versionMs());
  activeMs.push(await startToActiveMs(`container-${round}`));
}

report(`The start of ${what}, in a container (least of ${rounds}: ${Math.min(...activeMs).toFixed(0)} ms)`, [
  {
    what: "exec to active worker",
    measured: `${median(activeMs).toFixed(0)} ms`,
    floor: `${median(floorMs).toFixed(0)} ms`,
    ratio: median(activeMs) / median(floorMs),
    required: `at most ${activeMsMax} ms`,
    isReached: median(activeMs) <= activeMsMax,
  },
]);

/** Runs a shell command in a new container in which the agent is /agent and notes go to /notes. */
async function run(name: string, command: string, ...options: readonly string[]): Promise<string> {
  return docker.run(
    "run",
    "--name",
    name,
    "--network=host",
    "--volume",
    `${file}:/agent:ro`,
    "--volume",
    `${notes.path}:/notes`,
    "--env",
    `ATTUNE__DATABASE__URL=${database.url}`,
    "--env",
    "ATTUNE__API__PORT=0",
    ...options,
    "--entrypoint=/bin/sh",
    image,
    "-c",
    command,
  );
}

async function versionMs(): Promise<number> {
  const name = `attune-bench-version-${process.pid}`;
  const elapsed = await run(
    name,
    "a=$(date +%s%N); /agent --version > /dev/null; b=$(date +%s%N); echo $((b - a))",
    "--rm",
  );
  return Number(elapsed) / 1e6;
}

async function startToActiveMs(workerName: string): Promise<number> {
  const name = `attune-bench-${workerName}-${process.pid}`;
  const note = join(notes.path, "exec");
  await rm(note, { force: true });
  await run(name, `date +%s%N > /notes/exec; exec /agent --name ${workerName}`, "--detach");
  try {
    const activeAtMs = await whenActive(workerName);
    return activeAtMs - Number(await readFile(note, "utf8")) / 1e6;
  } finally {
    await docker.run("rm", "--force", name);
  }
}

/** The time by this machine's clock, in milliseconds, at which the row was first seen. */
async function whenActive(workerName: string): Promise<number> {
  const deadlineMs = Date.now() + startLimitMs;
  while (Date.now() < deadlineMs) {
    const { rows } = await database.database.query({
      text: "select from worker where name = $1 and status = 'active'",
      values: [workerName],
    });
    if (rows.length > 0) return Date.now();
    await delay(1);
  }
  throw new Error(`${workerName} was not active within ${startLimitMs / 1_000} s`);
}
