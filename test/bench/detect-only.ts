/**
 * `--detect-only` against an empty Node program and the version commands it ran, in turns; medians.
 */
import { spawnSync } from "node:child_process";
import { agentCommand } from "./rig/agent-command.ts";
import { median, report } from "./rig/report.ts";

const rounds = 25;
const ratioMax = 1.3;

const { file, args, what } = agentCommand();
const environment = { ...process.env };
// An override from outside would leave nothing to detect.
delete environment["ATTUNE_SENSOR_RUNTIMES"];

const versionCommands = found().map(({ name, path }) => [path, ...versionArguments(name)]);
const floors: number[] = [];
const measured: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  floors.push(timeMs([[process.execPath, "-e", "0"], ...versionCommands]));
  measured.push(timeMs([[file, ...args, "--detect-only"]]));
}
const ratio = median(measured) / median(floors);
report(`--detect-only of ${what}, ${versionCommands.length} interpreters`, [
  {
    what: "start to end",
    measured: `${median(measured).toFixed(0)} ms`,
    floor: `${median(floors).toFixed(0)} ms`,
    ratio,
    required: `at most ${ratioMax} × the floor`,
    isReached: ratio <= ratioMax,
  },
]);

interface Found {
  readonly name: string;
  readonly path: string;
}

function found(): readonly Found[] {
  const { stdout } = spawnSync(file, [...args, "--detect-only", "--format", "json"], {
    env: environment,
    encoding: "utf8",
  });
  const detection: { readonly detected_interpreters: readonly Found[] } = JSON.parse(stdout);
  return detection.detected_interpreters;
}

function versionArguments(name: string): readonly string[] {
  if (name === "go") return ["version"];
  return name === "java" ? ["-version"] : ["--version"];
}

function timeMs(commands: readonly (readonly string[])[]): number {
  const startedAtMs = performance.now();
  for (const [program = "", ...rest] of commands) spawnSync(program, rest, { env: environment });
  return performance.now() - startedAtMs;
}
