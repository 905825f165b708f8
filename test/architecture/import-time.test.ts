import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { importTimeQuestions } from "../../scripts/layers/import-time-questions.ts";
import { repositoryRoot } from "../../scripts/repository.ts";

test.each([
  ["in a constant", `const client = existsSync("/a") ? "/a" : "b";`],
  ["through a function", `const client = found();\nfunction found() { return existsSync("/a"); }`],
  ["through two of them", `const a = () => existsSync("/a");\nconst b = () => a();\nb();`],
  ["of a library's object", `const a = fs.statSync("/a");`],
  ["of a program", `const a = spawnSync("a");`],
  ["once it is known", `const a = await stat("/a");`],
  ["in a callback", `const a = ["/a"].find((file) => existsSync(file));`],
  ["in a function that is called at once", `const a = (() => existsSync("/a"))();`],
  ["while tests are collected", `describe("a", () => { const b = existsSync("/a"); });`],
  [
    "while tests are collected, for each",
    `describe.each(["/a"])("%s", (a) => { const b = existsSync(a); });`,
  ],
  ["to skip a test", `test.skipIf(existsSync("/a"))("a", () => {});`],
])("access to the machine during import is found: %s", (_, text) => {
  expect(importTimeQuestions("a.ts", text)).toHaveLength(1);
});

test.each([
  ["in a function", `export function a() { return existsSync("/a"); }`],
  ["in a method", `const a = { isInstalled: () => existsSync("/a") };`],
  ["in a test", `test("a", () => { existsSync("/a"); });`],
  ["in one of many", `test.each(["/a"])("%s", (a) => { existsSync(a); });`],
  ["in a test within a group", `describe("a", () => { beforeAll(() => { existsSync("/a"); }); });`],
  ["in the program that a module can be, too", `if (import.meta.main) existsSync("/a");`],
])("access to the machine after import is allowed: %s", (_, text) => {
  expect(importTimeQuestions("a.ts", text)).toEqual([]);
});

test("it is found at its line", () => {
  expect(importTimeQuestions("a.ts", `// one\n\nconst a = existsSync("/a");`)).toEqual([
    { line: 3, call: "existsSync" },
  ]);
});

// Goal: on a bare machine the first run decides as the second one would.
// Method: what is missing is installed while scripts and tests run, so nothing that they import may ask before. A
// program that is not imported may: it asks when it is called.
test("no module asks the machine while it is imported", () => {
  const texts = new Map(
    globSync("{src,build,scripts,test}/**/*.ts", { cwd: repositoryRoot }).map((file) => [
      file,
      readFileSync(join(repositoryRoot, file), "utf8"),
    ]),
  );
  const imported = new Set(
    [...texts].flatMap(([file, text]) =>
      [...text.matchAll(/(?:from|import\() ?"(\.[^"]+)"/g)].map(([, path = ""]) => join(dirname(file), path)),
    ),
  );

  const found = [...texts]
    .filter(([file]) => imported.has(file) || file.endsWith(".test.ts"))
    .flatMap(([file, text]) =>
      importTimeQuestions(file, text).map(({ line, call }) => `${file}:${line} ${call}`),
    );

  expect(imported.size).toBeGreaterThan(300);
  expect(found).toEqual([]);
});
