/** Runs all checks, the scripts `check:*` of package.json, and reports which failed. */
import { checkStages } from "./checks/check-stages.ts";
import { runStages } from "./checks/run-stages.ts";

const outcomes = await runStages(checkStages(new AbortController().signal));
process.exitCode = outcomes.every(({ passed }) => passed) ? 0 : 1;
