/**
 * `--detect-only` against an empty Node program and the version commands it ran, in turns; medians.
 */
import { agentCommand } from "./rig/agent-command.ts";
import { median, report } from "./rig/report.ts";
import { timeInTurns } from "./rig/time-commands.ts";
import { versionCommands } from "./rig/version-commands.ts";

const rounds = 25;
const ratioMax = 1.3;

const { file, args, what } = agentCommand();
const environment = { ...process.env };
// An override from outside would leave nothing to detect.
delete environment["ATTUNE_SENSOR_RUNTIMES"];

const commands = versionCommands({ file, args }, environment);
const sequences = [[[process.execPath, "-e", "0"], ...commands], [[file, ...args, "--detect-only"]]];
const [floors = [], measured = []] = timeInTurns({ rounds, sequences }, environment);
const ratio = median(measured) / median(floors);
report(`--detect-only of ${what}, ${commands.length} interpreters`, [
  {
    what: "start to end",
    measured: `${median(measured).toFixed(0)} ms`,
    floor: `${median(floors).toFixed(0)} ms`,
    ratio,
    required: `at most ${ratioMax} × the floor`,
    isReached: ratio <= ratioMax,
  },
]);
