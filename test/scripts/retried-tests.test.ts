import { execFile } from "node:child_process";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { errorLines, retriedTestCount } from "../../scripts/testing/retried-tests.ts";

// Goal: a run that passes in the end still says what failed first.
// Method: a real run of vitest with the reporter, over tests that pass at once, on the retry, and never.
test("a test that passed on a retry is kept with its first error, others are not", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "attune-retried-"));
  const file = join(folder.path, "kept/retried.txt");
  await writeFile(
    join(folder.path, "vitest.config.mjs"),
    `import { RetriedTests } from "${repositoryRoot}/scripts/testing/retried-tests.ts";
     const reporters = [new RetriedTests(${JSON.stringify(file)})];
     export default { test: { globals: true, retry: 1, reporters } };`,
  );
  await writeFile(
    join(folder.path, "some.test.js"),
    `let attempts = 0;
     test("steady", () => {});
     test("broken", () => { throw new Error("always"); });
     describe("outer", () => {
       test("flaky", () => {
         attempts += 1;
         if (attempts === 1) expect({ n: 1, same: true }).toEqual({ n: 2, same: true });
       });
     });
     test("a loser", { timeout: 50 }, async () => {
       attempts += 1;
       if (attempts === 3) await new Promise(() => {});
     });`,
  );

  const vitest = join(repositoryRoot, "node_modules/.bin/vitest");
  const run = promisify(execFile)(vitest, ["run"], { cwd: folder.path });

  // One is broken for good.
  await expect(run).rejects.toMatchObject({ code: 1 });
  const text = await readFile(file, "utf8");
  expect(retriedTestCount(text)).toBe(2);
  expect(text).toMatch(/^\S*some\.test\.js > outer > flaky$/m);
  expect(text).toMatch(/^ {2}attempt 1 failed after \d+\.\d s:$/m);
  expect(text).toContain(
    "    AssertionError: expected { n: 1, same: true } to deeply equal { n: 2, same: true }",
  );
  expect(text).toMatch(/^ {4}-\s+"n": 2,\n {4}\+\s+"n": 1,$/m);
  expect(text).toContain("Test timed out in 50ms.");
  expect(text).not.toMatch(/steady|broken/);
});

test("an error is cut to its beginning, with the calls in our own code and its cause", () => {
  const stack = `Error: outer
    at Proxy.poll (file:///root/node_modules/vitest/dist/index.js:1:1)
    at check (file:///root/test/support/check.ts:4:2)
    at node:internal/process:5:5
    at /root/test/some.test.ts:7:9`;
  const message = Array.from({ length: 17 }, (_, index) => `line ${index}`).join("\n");

  const lines = errorLines(
    { name: "Error", message, stack, diff: "\u001B[32m- 1\u001B[39m", cause: { message: "inner" } },
    "/root",
  );

  expect(lines).toEqual([
    "Error: line 0",
    ...Array.from({ length: 14 }, (_, index) => `line ${index + 1}`),
    "… (2 more lines)",
    "- 1",
    "at check (test/support/check.ts:4:2)",
    "at test/some.test.ts:7:9",
    "caused by inner",
  ]);
});

test("each test counts once, however long its errors are", () => {
  expect(retriedTestCount("")).toBe(0);
  expect(retriedTestCount("a.test.ts > one\n  attempt 1\n    text\n\n    text\nb.test.ts > two\n")).toBe(2);
});
