import { OperatorError } from "../../errors/operator-error.ts";
import { runRuleTest } from "../../model/rules/rule-test.ts";
import { readPackTests, rulesOf } from "../../packs/pack-tests.ts";
import { readPacks } from "../../packs/read-packs.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import type { TestFormat } from "../test-formats.ts";
import { testReport, type TestedCase } from "../test-report.ts";

/**
 * Runs the test files of packs: holds their rules against events, as a running agent would. It needs no configuration and
 * no database.
 *
 * @throws OperatorError PACK_INVALID if a pack is invalid or there is no test
 */
export async function testPacks(
  { print }: Pick<Invocation, "print">,
  directories: readonly string[],
  format: TestFormat,
): Promise<ExitCode> {
  const { packs } = await readPacks(directories, "test");
  const read = await Promise.all(packs.map(readPackTests));
  const problems = read.flatMap((tests) => tests.problems);
  const testCases = read.flatMap((tests) => tests.cases);
  if (testCases.length === 0 && problems.length === 0) {
    throw new OperatorError({
      code: "PACK_INVALID",
      attempt: `test ${directories.join(", ")}`,
      reason: "there is no file in the folder tests",
      remedy: "write a case into tests/rules.yaml, see docs/pack-tests.md",
    });
  }
  const rules = rulesOf(packs);
  const triggers = packs.flatMap(({ definitions }) =>
    definitions.flatMap(({ kind, ref }) => (kind === "trigger" ? [ref] : [])),
  );
  const cases = testCases.map((testCase): TestedCase => ({
    testCase,
    failures: runRuleTest(testCase, rules, triggers).failures,
  }));
  const expected = new Set(testCases.flatMap((testCase) => [...testCase.expected.keys()]));
  const untested = rules.map(({ ref }) => ref).filter((ref) => !expected.has(ref));
  print(testReport({ cases, problems, untested }, format));
  return problems.length === 0 && cases.every(({ failures }) => failures.length === 0) ? 0 : 1;
}
