/** Runs all checks, the scripts `check:*` of package.json, and reports which failed. */
import { runChecks } from "./checks/run-checks.ts";

const outcomes = await runChecks({ signal: new AbortController().signal });
process.exitCode = outcomes.every(({ passed }) => passed) ? 0 : 1;
