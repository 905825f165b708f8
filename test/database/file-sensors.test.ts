import { expect, test } from "vitest";
import type { Queryable } from "../../src/database/database.ts";
import { decodeFilePlan } from "../../src/model/files/file-plan.ts";
import type { JsonObject } from "../../src/model/json/json.ts";
import { decodeWorkerSelector, selectorKey } from "../../src/model/sensors/worker-selector.ts";
import { insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

interface FileSensor {
  readonly ref: string;
  readonly placement: JsonObject;
  readonly config: JsonObject;
}

async function derived(database: Queryable): Promise<readonly FileSensor[]> {
  return query<FileSensor>(
    database,
    "select ref, placement, config from sensor where ref like 'core.files.%' order by placement::text",
  );
}

async function insertFileRule(database: Queryable, ref: string, params: object): Promise<void> {
  await query(
    database,
    "insert into rule (ref, action_ref, trigger_ref, trigger_params) values ($1, 'core.noop', 'core.file_changed', $2)",
    [ref, JSON.stringify({ path: "/srv/in", ...params })],
  );
}

test("each distinct selection of workers by enabled rules has a sensor, placed there, as long as a rule needs it", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertFileRule(database, "t.any", {});
  await insertFileRule(database, "t.named", { worker: "w1" });
  await insertFileRule(database, "t.same", { worker: "w1" });
  await insertFileRule(database, "t.labelled", { labels: { zone: "a" } });

  const [labelled, named] = await derived(database);
  expect(named).toMatchObject({ placement: { worker: "w1" }, config: { selector: { worker: "w1" } } });
  expect(labelled).toMatchObject({ placement: { labels: { zone: "a" } } });
  expect(await derived(database)).toHaveLength(2);

  await query(database, "update rule set enabled = false where ref = 't.named'");
  expect(await derived(database)).toHaveLength(2);
  await query(database, `update rule set trigger_params = '{"path": "/x"}' where ref = 't.same'`);
  expect(await derived(database)).toEqual([labelled]);
  await query(database, "update rule set enabled = true where ref = 't.named'");
  expect(await derived(database)).toEqual([labelled, named]);
  await insertTrigger(database, "t.other");
  await query(database, "update rule set trigger_ref = 't.other' where ref = 't.named'");
  expect(await derived(database)).toEqual([labelled]);
  await query(database, "delete from rule where ref = 't.labelled'");
  expect(await derived(database)).toEqual([]);

  await insertFileRule(database, "t.again", { worker: "w2" });
  await query(database, "truncate rule cascade");
  expect(await derived(database)).toEqual([]);
  expect(await query(database, "select ref from sensor where entrypoint = 'files'")).toEqual([
    { ref: "core.files" },
  ]);
});

test("the database and the agent agree on which rules belong to a sensor", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const selections: readonly JsonObject[] = [
    {},
    { worker: null, labels: {} },
    { worker: "w1" },
    { worker: "w1", labels: { b: "2", a: "1" } },
    { labels: { a: "1", b: "2" }, worker: "w1" },
  ];
  for (const [index, params] of selections.entries()) await insertFileRule(database, `t.r${index}`, params);

  const sensors = await derived(database);
  const keys = [{}, ...sensors.map(({ config }) => (config as { selector: JsonObject }).selector)].map(
    (selector) => {
      const decoded = decodeWorkerSelector(selector);
      return decoded.kind === "valid" ? selectorKey(decoded.value) : "invalid";
    },
  );
  const wanted = selections.map((params) => {
    const plan = decodeFilePlan({ path: "/srv/in", ...params });
    return plan.kind === "valid" ? selectorKey(plan.value.selector) : "invalid";
  });

  expect(new Set(wanted)).toEqual(new Set(keys));
});

// Goal: a rule is never left without its sensor, however transactions overlap.
// Method: one transaction deletes the last rule of a selection while another adds one.
test("a sensor that another transaction still needs is not deleted", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertFileRule(database, "t.old", { worker: "w1" });

  const added = Promise.withResolvers<void>();
  const mayCommit = Promise.withResolvers<void>();
  const adding = database.transaction(async (transaction) => {
    await insertFileRule(transaction, "t.new", { worker: "w1" });
    added.resolve();
    await mayCommit.promise;
  });
  await added.promise;
  const deleting = query(database, "delete from rule where ref = 't.old'");
  await expect
    .poll(() => query(database, "select from pg_locks where locktype = 'advisory' and not granted"))
    .toHaveLength(1);
  mayCommit.resolve();
  await Promise.all([adding, deleting]);

  expect(await derived(database)).toHaveLength(1);
});
