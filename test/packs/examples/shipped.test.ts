import { globSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { loadPacks } from "../../../src/packs/load-packs.ts";
import { describeProblem } from "../../../src/packs/pack-problem.ts";
import { readPacks } from "../../../src/packs/read-packs.ts";
import { freshDatabase } from "../../support/postgres.ts";

const root = fileURLToPath(new URL("../../../packs/", import.meta.url));
const directories = globSync(`${root}*/pack.yaml`)
  .map((file) => dirname(file))
  .toSorted();

test("the packs that are shipped load without a warning, and describe the core's rows as migrations make them", async () => {
  await using fresh = await freshDatabase();
  const seeded =
    "select ref, name, distributions, installation, execution_config from runtime where pack_ref = 'core' order by ref";
  const before = await fresh.database.query({ text: seeded });

  const { packs, warnings } = await readPacks(directories);
  const report = await loadPacks(fresh.database, packs);

  expect(warnings.map(describeProblem)).toEqual([]);
  expect(report.changes.filter(({ kind }) => kind === "sensor").map(({ ref }) => ref)).toEqual([
    "diskwatch.usage",
    "heartbeat.heart",
    "httpcheck.endpoint",
    "logwatch.lines",
    "procwatch.sample",
  ]);
  expect((await fresh.database.query({ text: seeded })).rows).toEqual(before.rows);
  expect(report.changes.filter(({ kind }) => kind === "runtime")).toEqual([]);
});

test("the example of a standalone sensor carries the helper for Node as it is", () => {
  const helper = readFileSync(new URL("../../../sdk/node/attune-sensor.mjs", import.meta.url), "utf8");

  expect(readFileSync(`${root}heartbeat/lib/attune-sensor.mjs`, "utf8")).toBe(helper);
});
