import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { unitTests } from "../../scripts/testing/unit-tests.ts";

const files: Readonly<Record<string, string>> = {
  "test/model/pure.test.ts": `import { x } from "../../src/model/x.ts";`,
  "test/model/typed.test.ts": `import type { C } from "../../src/processes/child.ts"; import { type D } from "node:child_process";`,
  "test/model/helped.test.ts": `import { help } from "../support/harmless.ts";`,
  "test/model/spawning.test.ts": `import { spawn } from "node:child_process";`,
  "test/model/later.test.ts": `export const x = () => import("node:child_process");`,
  "test/model/child.test.ts": `import { startChild } from "../../src/processes/child.ts";`,
  "test/model/served.test.ts": `import { help } from "../support/through.ts";`,
  "test/support/harmless.ts": `import { other } from "./circle.ts";`,
  "test/support/circle.ts": `import { help } from "./harmless.ts";`,
  "test/support/through.ts": `export * from "./services.ts";`,
  "test/support/services.ts": `export const url = process.env["ATTUNE_TEST_DATABASE_URL"];`,
};

test("a unit test is one that neither starts programs nor reaches a service, itself or through helpers", async () => {
  await using root = await mkdtempDisposable(join(tmpdir(), "attune-unit-tests-"));
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root.path, file)), { recursive: true });
    writeFileSync(join(root.path, file), text);
  }

  expect(unitTests(root.path)).toEqual([
    "test/model/helped.test.ts",
    "test/model/pure.test.ts",
    "test/model/typed.test.ts",
  ]);
});
