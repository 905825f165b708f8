/**
 * Runs the benchmarks, test/bench/*.ts, one after the other. Each prints a table with ratios to floors measured
 * in the same run.
 *
 *     npm run bench [-- NAME…]
 */
import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { runStage, type StageOutcome } from "./checks/run-stage.ts";
import { repositoryRoot } from "./repository.ts";
import { provideServices } from "./testing/provide-services.ts";

const wanted = process.argv.slice(2);
// Leave out the benchmarks' workloads and their tests.
const exclude = ["**/*.test.ts", "**/*-workload.ts"];
const files = globSync("test/bench/*.ts", { cwd: repositoryRoot, exclude }).toSorted();
const chosen = files.filter((file) => wanted.length === 0 || wanted.includes(basename(file, ".ts")));

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interruption.abort());

const outcomes: StageOutcome[] = [];
{
  await using scope = new AsyncDisposableStack();
  const env = await provideServices(scope);
  for (const file of chosen) {
    if (interruption.signal.aborted) break;
    const args = [join(repositoryRoot, file)];
    outcomes.push(
      await runStage({
        name: basename(file, ".ts"),
        file: process.execPath,
        args,
        env,
        signal: interruption.signal,
      }),
    );
  }
}
process.exitCode = outcomes.length === chosen.length && outcomes.every(({ passed }) => passed) ? 0 : 1;
