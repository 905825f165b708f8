/**
 * Runs all checks and tests with the services they need, and ends with one line: `N passed, N failed`. A check counts
 * as a test, and every failure is counted. Tests that passed only on a retry are listed before, with their first errors;
 * the list stays in logs/retried-tests.txt.
 *
 *     scripts/test [--only PATTERN] [--no-containers]
 *
 * --only runs only the test files whose path contains the pattern, without checks and build.
 * --no-containers skips tests that need the built executable and a container engine.
 */
import { mkdtempDisposable, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import type { JsonValue } from "../src/model/json/json.ts";
import { counted } from "../src/model/texts/counted.ts";
import { checkStages } from "./checks/check-stages.ts";
import { npmStage, runStage, type StageOutcome } from "./checks/run-stage.ts";
import { runStages } from "./checks/run-stages.ts";
import { repositoryRoot } from "./repository.ts";
import { provideServices, type ServiceEnvironment } from "./testing/provide-services.ts";
import { providePrograms } from "./testing/provide-programs.ts";
import { retriedTestCount, retriedTestsFile } from "./testing/retried-tests.ts";
import { testCounts, type TestCounts } from "./testing/test-counts.ts";

const { values: options } = parseArgs({
  options: { only: { type: "string" }, "no-containers": { type: "boolean", default: false } },
});

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interruption.abort());
const { signal } = interruption;

await rm(retriedTestsFile, { force: true });
/** Checks and build: each counts as a test. */
const outcomes: StageOutcome[] = [];
let counts: TestCounts = { passed: 0, failed: 0, skipped: 0 };
{
  await using scope = new AsyncDisposableStack();
  await providePrograms({
    isWhole: options.only === undefined,
    hasContainers: !options["no-containers"],
  });
  // The servers start while the checks and the build keep the processors busy.
  const starting = Promise.allSettled([provideServices(scope)]);
  if (options.only === undefined) {
    // The build first, because it takes longest.
    const build = options["no-containers"] ? [] : [npmStage("build", signal)];
    outcomes.push(...(await runStages([...build, ...checkStages(signal)])));
  }
  const [services] = await starting;
  if (services.status === "rejected") throw services.reason;
  if (!signal.aborted) counts = await runTests(services.value);
}

const passed = counts.passed + outcomes.filter((outcome) => outcome.passed).length;
const failed =
  counts.failed + outcomes.filter((outcome) => !outcome.passed).length + (signal.aborted ? 1 : 0);
process.stdout.write("\n");
for (const { name, passed: hasPassed, durationMs } of outcomes) {
  process.stdout.write(
    `${hasPassed ? "ok    " : "FAILED"} ${(durationMs / 1_000).toFixed(1).padStart(7)} s  ${name}\n`,
  );
}
await writeRetried();
if (counts.skipped > 0) process.stdout.write(`${counts.skipped} tests were skipped\n`);
if (signal.aborted) process.stdout.write("interrupted: some tests did not run\n");
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

async function runTests(services: ServiceEnvironment): Promise<TestCounts> {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-test-report-"));
  const report = join(directory.path, "report.json");
  const args = ["run"];
  if (options["no-containers"]) args.push("--project=!agent");
  if (options.only !== undefined) args.push(options.only);

  // Hundreds of agents start from the sources; only the first one compiles them.
  const env = {
    ...services,
    ATTUNE_TEST_REPORT: report,
    NODE_COMPILE_CACHE: join(directory.path, "compiled"),
  };
  const outcome = await runStage({ name: "tests", file: "vitest", args, env, signal });
  const text = await readFile(report, "utf8").catch(() => undefined);
  const content: JsonValue | undefined = text === undefined ? undefined : JSON.parse(text);
  return testCounts(content, outcome.passed);
}

async function writeRetried(): Promise<void> {
  const text = await readFile(retriedTestsFile, "utf8").catch(() => "");
  const count = retriedTestCount(text);
  if (count === 0) return;
  const place = relative(repositoryRoot, retriedTestsFile);
  process.stdout.write(`\n${counted(count, "test")} passed only on a retry (kept in ${place}):\n\n${text}\n`);
}
