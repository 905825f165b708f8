/**
 * What being one self-contained file costs: against an empty single executable of the same Node, and
 * against our own before loader and libraries are added. In turns; medians.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtempDisposable, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ownArchitecture } from "../../build/architecture.ts";
import { collectAssets } from "../../build/bundle/assets.ts";
import { bundle } from "../../build/bundle/bundle.ts";
import { findNode } from "../../build/node/node-binary.ts";
import { makeSingleExecutable } from "../../build/packing/single-executable.ts";
import { repositoryRoot } from "../../scripts/repository.ts";
import { freshDatabase } from "../support/postgres.ts";
import { median, report, type Finding } from "./rig/report.ts";
import { timeInTurns, type Sequence } from "./rig/time-commands.ts";
import { versionCommands } from "./rig/version-commands.ts";

const rounds = 40;
const starts = 10;
const ratioMax = 1.15;
const probeRatioMax = 2.5;
const extraMiBMax = 8;
const activeMsMax = 250;

assert(ownArchitecture !== undefined, "there is no executable for this kind of machine");
const architecture = ownArchitecture;

await using directory = await mkdtempDisposable(join(tmpdir(), "attune-bench-executable-"));
const packed = await copied(join(repositoryRoot, "dist/attune-sensor-agent"), "packed");
const empty = await executableOf("empty", "");
const plain = await plainExecutable();

const sequences = [[[empty]], [[packed, "--version"]]];
const [floorMs = NaN, versionMs = NaN] = timeInTurns({ rounds, sequences }, process.env).map(median);
const [plainRun, packedRun] = await serveInTurns();

report("The executable", [
  againstEmpty("--version", [floorMs, versionMs], ratioMax),
  await detection("an image without any", await folderWith("none", [])),
  await detection("bash, Python, Perl", await folderWith("few", ["bash", "python3", "perl"])),
  await detection("all of this machine", process.env["PATH"] ?? ""),
  await healthCheck(),
  {
    what: "service, peak memory",
    measured: `${packedRun.peakMiB.toFixed(1)} MiB`,
    floor: `${plainRun.peakMiB.toFixed(1)} MiB`,
    ratio: packedRun.peakMiB / plainRun.peakMiB,
    required: `at most ${extraMiBMax} MiB more than before packing`,
    isReached: packedRun.peakMiB <= plainRun.peakMiB + extraMiBMax,
  },
  {
    what: "service, start to active worker",
    measured: `${packedRun.activeMs.toFixed(0)} ms`,
    floor: `${plainRun.activeMs.toFixed(0)} ms`,
    ratio: packedRun.activeMs / plainRun.activeMs,
    required: `at most ${activeMsMax} ms`,
    isReached: packedRun.activeMs <= activeMsMax,
  },
]);

async function executableOf(name: string, text: string): Promise<string> {
  const workDirectory = join(directory.path, name);
  await mkdir(workDirectory);
  const script = join(workDirectory, `${name}.cjs`);
  await writeFile(script, text);
  const node = await findNode(repositoryRoot, architecture);
  const scripts = { main: script, later: {} };
  return copied(await makeSingleExecutable({ architecture, node, scripts, assets: {}, workDirectory }), name);
}

/**
 * How a file was written decides how it lies in the page cache, and a start is up to 2 ms quicker for it: so
 * all that are compared are copies.
 */
async function copied(file: string, name: string): Promise<string> {
  const copy = join(directory.path, `${name}-copy`);
  await copyFile(file, copy);
  return copy;
}

/** With that PATH: against a single executable that does nothing but run the same commands one after the other. */
async function detection(what: string, path: string): Promise<Finding> {
  // An override from outside would leave nothing to detect.
  const { ATTUNE_SENSOR_RUNTIMES: _, ...rest } = process.env;
  const environment = { ...rest, PATH: path };
  const commands = versionCommands({ file: packed, args: [] }, environment);
  const asking = await executableOf(`asking-${commands.length}`, askingScript(commands));
  const all = [[[empty]], commands, [[asking]], [[packed, "--detect-only"]]];
  const times = timeInTurns({ rounds, sequences: all }, environment).map(median);
  const [emptyMs = NaN, commandsMs = NaN, askingMs = NaN, detectMs = NaN] = times;
  const detectMsMax = ratioMax * emptyMs + commandsMs;
  return {
    what: `--detect-only, ${what} (${commands.length})`,
    measured: `${detectMs.toFixed(1)} ms`,
    floor: `${askingMs.toFixed(1)} ms`,
    ratio: detectMs / askingMs,
    required: `at most ${ratioMax} × an empty one + the version commands, ${detectMsMax.toFixed(1)} ms`,
    isReached: detectMs <= detectMsMax,
  };
}

function againstEmpty(call: string, [emptyMs, callMs]: readonly [number, number], timesMax: number): Finding {
  return {
    what: `${call}, start to end`,
    measured: `${callMs.toFixed(1)} ms`,
    floor: `${emptyMs.toFixed(1)} ms`,
    ratio: callMs / emptyMs,
    required: `at most ${timesMax} × an empty single executable`,
    isReached: callMs <= timesMax * emptyMs,
  };
}

/** `doctor --probe`, as orchestrators call it every few seconds, of a server that answers as an agent does. */
async function healthCheck(): Promise<Finding> {
  const script = `
    const answer = JSON.stringify({ status: "ok", worker: "w1" });
    const server = require("node:http").createServer((_, response) => response.end(answer));
    server.listen(0, "127.0.0.1", () => console.log(server.address().port));`;
  const server = spawn(process.execPath, ["--eval", script], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [port] = await once(server.stdout, "data");
    const environment = { ...process.env, ATTUNE__API__PORT: String(port).trim() };
    const all = [[[empty]], [[packed, "doctor", "--probe", "live"]]];
    const [emptyMs = NaN, probeMs = NaN] = timeInTurns({ rounds, sequences: all }, environment).map(median);
    return againstEmpty("doctor --probe", [emptyMs, probeMs], probeRatioMax);
  } finally {
    server.kill();
  }
}

/** As a stock image has them: Debian's own, whatever else this machine's PATH finds first. */
async function folderWith(name: string, programs: readonly string[]): Promise<string> {
  const folder = join(directory.path, name);
  await mkdir(folder);
  for (const program of programs) await symlink(join("/usr/bin", program), join(folder, program));
  return folder;
}

function askingScript(sequence: Sequence): string {
  return `const { spawnSync } = require("node:child_process");
    for (const [file, ...args] of ${JSON.stringify(sequence)}) spawnSync(file, args);`;
}

async function plainExecutable(): Promise<string> {
  const workDirectory = join(directory.path, "plain");
  await mkdir(workDirectory);
  const node = await findNode(repositoryRoot, architecture);
  const scripts = await bundle(repositoryRoot, workDirectory);
  const assets = await collectAssets(repositoryRoot);
  return copied(await makeSingleExecutable({ architecture, node, scripts, assets, workDirectory }), "plain");
}

interface Run {
  readonly peakMiB: number;
  readonly activeMs: number;
}

/** The quickest of a few starts each: what the machine does besides is not the executable's. */
async function serveInTurns(): Promise<readonly [Run, Run]> {
  await using database = await freshDatabase();
  const plainRuns: Run[] = [];
  const packedRuns: Run[] = [];
  for (let start = 0; start < starts; start += 1) {
    plainRuns.push(await serveOnce(plain, database, `plain-${start}`));
    packedRuns.push(await serveOnce(packed, database, `packed-${start}`));
  }
  return [summary(plainRuns), summary(packedRuns)];
}

function summary(runs: readonly Run[]): Run {
  return {
    peakMiB: median(runs.map(({ peakMiB }) => peakMiB)),
    activeMs: Math.min(...runs.map(({ activeMs }) => activeMs)),
  };
}

async function serveOnce(
  file: string,
  { url, database }: Awaited<ReturnType<typeof freshDatabase>>,
  workerName: string,
): Promise<Run> {
  const startedAtMs = performance.now();
  const agent = spawn(file, ["--name", workerName], {
    cwd: directory.path,
    env: { ATTUNE__DATABASE__URL: url, ATTUNE__API__PORT: "0", ATTUNE_SENSOR_RUNTIMES: "builtin" },
    stdio: "ignore",
  });
  const ended = once(agent, "exit");
  try {
    for (;;) {
      const { rows } = await database.query({
        text: "select from worker where name = $1 and status = 'active'",
        values: [workerName],
      });
      if (rows.length > 0) break;
      if (agent.exitCode !== null) throw new Error(`${file} ended with ${agent.exitCode}`);
      await delay(1);
    }
    const activeMs = performance.now() - startedAtMs;
    return { activeMs, peakMiB: await peakMiBOf(agent.pid ?? 0) };
  } finally {
    agent.kill("SIGTERM");
    await ended;
  }
}

/** The most that was ever resident, and what of the memory files is not mapped but there all the same. */
async function peakMiBOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const maps = await readFile(`/proc/${pid}/smaps`, "utf8");
  const residentKib = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
  const mappings = maps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).filter((mapping) => mapping.includes("/memfd:"));
  const kibOf = (field: string): number =>
    mappings.reduce(
      (sum, mapping) => sum + Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(mapping)?.[1]),
      0,
    );
  const unmappedKib = Math.max(0, kibOf("Size") - kibOf("Rss"));
  return (residentKib + unmappedKib) / 1_024;
}
