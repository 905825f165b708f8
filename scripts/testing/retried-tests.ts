/**
 * Keeps what a retry would hide: the tests that passed only on a retry, with the errors of their failed attempts.
 *
 * Written as the tests end, so that a run that is interrupted keeps them too.
 */
import { appendFileSync, mkdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { Reporter, TestCase } from "vitest/node";
import { repositoryRoot } from "../repository.ts";

/** Of the last run of `scripts/test`; absent if it retried nothing with success. */
export const retriedTestsFile = join(repositoryRoot, "logs/retried-tests.txt");

/** An error as vitest hands it over. */
export interface AttemptError {
  readonly name?: string | undefined;
  readonly message: string;
  readonly stack?: string | undefined;
  /** With the colours of a terminal. */
  readonly diff?: string | undefined;
  readonly cause?: AttemptError | undefined;
}

const textLinesMax = 15;
const diffLinesMax = 40;
const callsMax = 5;

export class RetriedTests implements Reporter {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  onTestCaseResult(test: TestCase): void {
    if (test.diagnostic()?.flaky !== true) return;
    const lines = [`${relative(repositoryRoot, test.module.moduleId)} > ${test.fullName}`];
    for (const { state, errors = [], duration, retryIndex } of test.attempts()) {
      if (state !== "failed") continue;
      lines.push(`  attempt ${retryIndex + 1} failed after ${(duration / 1_000).toFixed(1)} s:`);
      for (const error of errors)
        lines.push(...errorLines(error, repositoryRoot).map((line) => `    ${line}`));
    }
    mkdirSync(dirname(this.#file), { recursive: true });
    appendFileSync(this.#file, `${lines.join("\n").replaceAll(/[^\S\n]+$/gm, "")}\n`);
  }
}

/** @returns the number of tests in the text of such a file */
export function retriedTestCount(text: string): number {
  // Only the first line of each is not indented.
  return text.split("\n").filter((line) => /^\S/.test(line)).length;
}

/**
 * The beginning of the error's text and of its diff, and the calls in our own code.
 *
 * @param root left out of paths
 */
export function errorLines(
  { name, message, stack = "", diff = "", cause }: AttemptError,
  root: string,
): string[] {
  const text = name === undefined || name === "" ? message : `${name}: ${message}`;
  const own = stack
    .split("\n")
    .filter((line) => /^\s+at /.test(line) && line.includes(root) && !line.includes("/node_modules/"));
  return [
    ...firstLines(text, textLinesMax),
    ...firstLines(diff, diffLinesMax),
    ...own.slice(0, callsMax).map((line) => line.trim().replace("file://", "").replace(`${root}/`, "")),
    ...(cause === undefined
      ? []
      : errorLines(cause, root).map((line, index) => (index === 0 ? `caused by ${line}` : line))),
  ];
}

function firstLines(text: string, countMax: number): string[] {
  if (text === "") return [];
  const lines = stripVTControlCharacters(text).split("\n");
  const left = lines.length - countMax;
  return left <= 0 ? lines : [...lines.slice(0, countMax), `… (${left} more lines)`];
}
