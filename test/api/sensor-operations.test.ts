/** docs/sensor-operations.md and the answers have the same keys. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { StatusAnswer } from "../../src/api/routes/sensor-operations.ts";

const page = readFileSync(join(repositoryRoot, "docs/sensor-operations.md"), "utf8");

test("docs/sensor-operations.md lists exactly the keys of a status", () => {
  const [, table = ""] = /\n\| key +\|.*\n((?:\|.*\n)+)/.exec(page) ?? [];
  const listed = table
    .split("\n")
    .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name = ""]) => name));

  expect(listed.toSorted()).toEqual(Object.keys(StatusAnswer.properties).toSorted());
});
