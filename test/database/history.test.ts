/** Lists of events and enforcements: what they find, and that their cost does not grow with the tables. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Client } from "pg";
import { readHistory, type HistoryRequest } from "../../src/database/history.ts";
import {
  enforcementConditions,
  enforcementTable,
  eventConditions,
  eventTable,
  type EventFilter,
} from "../../src/database/statements/event-list.ts";
import { isJsonObject, type JsonValue } from "../../src/model/json/json.ts";
import { parseJson } from "../../src/model/json/json-text.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";

const count = 30_000;
let fresh: FreshDatabase;
let client: Client;

// Ids descend while the time of storing ascends, ten rows share each instant, and one event in a thousand is a rare sensor's.
beforeAll(async () => {
  fresh = await freshDatabase();
  client = await fresh.connect();
  await client.query(`
    set search_path to attune, public;
    insert into event (id, trigger_ref, source, source_ref, payload, config, created)
    select ${count} - n, 't.' || n % 3, 1, case when n % 1000 = 999 then 's.rare' else 's.usual' end, '{}', '{}',
           timestamptz '2026-01-01T00:00:00Z' + n / 10 * interval '1 ms'
      from generate_series(0, ${count - 1}) as n;
    insert into enforcement (id, rule, rule_ref, trigger_ref, event, created)
    select n + 1, 1, 'r.' || n % 2, 't.0', n, timestamptz '2026-01-01T00:00:00Z' + n * interval '1 ms'
      from generate_series(0, 9999) as n;
    analyze event;
    analyze enforcement`);
}, 60_000);

afterAll(async () => {
  await fresh[Symbol.asyncDispose]();
});

const nobody = { id: null, ref: null };
const everything: EventFilter = { trigger: nobody, source: nobody, rule: nobody };
const first: HistoryRequest = {
  limit: 100,
  offset: 0,
  before: null,
  after: null,
  createdFrom: null,
  createdTo: null,
};

const listEvents = (filter: Partial<EventFilter> = {}, request: Partial<HistoryRequest> = {}, limits = {}) =>
  readHistory(
    fresh.database,
    eventTable,
    eventConditions({ ...everything, ...filter }),
    { ...first, ...request },
    { searchedMax: 100_000, countedMax: 10_000, ...limits },
  );

test("events are listed in the order of their storing, newest first, each once, by cursors in both directions", async () => {
  const ids: string[] = [];
  let page = await listEvents({}, { limit: 1_000 });
  for (;;) {
    ids.push(...page.entries.map(({ id }) => id));
    if (page.older === null) break;
    page = await listEvents({}, { limit: 1_000, before: page.older });
  }

  expect(ids).toHaveLength(count);
  expect(new Set(ids).size).toBe(count);
  const instants = await client.query<{ id: string }>(
    "select id::text from event order by created desc, event.id desc",
  );
  expect(ids).toEqual(instants.rows.map(({ id }) => id));

  const newer = await listEvents({}, { limit: 1_000, after: page.newest });
  expect(newer.entries.map(({ id }) => id)).toEqual(ids.slice(-2_000, -1_000));
});

test("entries are counted up to a bound, and an answer says when there are more", async () => {
  expect(await listEvents()).toMatchObject({ total: 10_000, isTotalExact: false });
  expect(await listEvents({}, {}, { countedMax: count })).toMatchObject({ total: count, isTotalExact: true });
  expect(await listEvents({ trigger: { id: null, ref: "t.none" } })).toMatchObject({
    entries: [],
    older: null,
    total: 0,
    isTotalExact: true,
  });
});

test("a condition without an index is checked over a bounded number of rows, and the cursor goes on from there", async () => {
  const rare = { source: { id: null, ref: "s.rare" } };
  const limits = { searchedMax: 1_500 };
  const whole = await listEvents(rare);
  expect(whole).toMatchObject({ total: 30, isTotalExact: true, older: null });

  const found: string[] = [];
  let page = await listEvents(rare, {}, limits);
  expect(page).toMatchObject({ total: page.entries.length, isTotalExact: false });
  let pages = 1;
  for (; page.older !== null; pages += 1) {
    found.push(...page.entries.map(({ id }) => id));
    page = await listEvents(rare, { before: page.older }, limits);
  }
  found.push(...page.entries.map(({ id }) => id));

  expect(found).toEqual(whole.entries.map(({ id }) => id));
  expect(pages).toBeGreaterThanOrEqual(count / 1_500);
});

test("a range of time includes its beginning and excludes its end", async () => {
  const { entries } = await listEvents(
    {},
    { createdFrom: "2026-01-01T00:00:00.005Z", createdTo: "2026-01-01T00:00:00.007Z" },
  );

  expect(new Set(entries.map(({ createdAt }) => createdAt.toISOString()))).toEqual(
    new Set(["2026-01-01T00:00:00.005Z", "2026-01-01T00:00:00.006Z"]),
  );
  expect(entries).toHaveLength(20);
});

/** The nodes of the plan, and the rows that were read for it. */
async function planOf(text: string, values: unknown[]): Promise<{ nodes: string[]; rowsRead: number }> {
  const { rows } = await client.query({
    text: `explain (analyze, buffers, format json) ${text}`,
    values,
    types: { getTypeParser: () => (plan: string) => plan },
  });
  const [row] = rows as { "QUERY PLAN": string }[];
  const nodes: string[] = [];
  let rowsRead = 0;
  const visit = (node: JsonValue | undefined): void => {
    if (!isJsonObject(node)) return;
    const type = node["Node Type"];
    if (typeof type !== "string") return;
    const rowsOfNode = Number(node["Actual Rows"]) + Number(node["Rows Removed by Filter"] ?? 0);
    // A partition without rows may be read in any way.
    if (type !== "Seq Scan" || rowsOfNode > 0) nodes.push(type);
    if (type.includes("Scan") && type !== "Subquery Scan") rowsRead += rowsOfNode;
    for (const child of (node["Plans"] ?? []) as readonly JsonValue[]) visit(child);
  };
  const [whole] = parseJson(row?.["QUERY PLAN"] ?? "[]") as readonly JsonValue[];
  if (isJsonObject(whole)) visit(whole["Plan"]);
  return { nodes, rowsRead };
}

// Goal: a page costs no more with ten million rows than with few.
// Method: every statement of a list is explained; none reads a table from end to end, sorts, or reads more rows than its bound.
test.each([
  ["all events", eventTable, eventConditions(everything), 1_001 + 101],
  [
    "events of a trigger",
    eventTable,
    eventConditions({ ...everything, trigger: { id: null, ref: "t.1" } }),
    1_001 + 101,
  ],
  [
    "events of a sensor",
    eventTable,
    eventConditions({ ...everything, source: { id: null, ref: "s.rare" } }),
    2_000 * 4,
  ],
  [
    "all enforcements",
    enforcementTable,
    enforcementConditions({ rule: nobody, event: null, triggerRef: null, status: null }),
    1_001 + 101,
  ],
  [
    "enforcements of an event",
    enforcementTable,
    enforcementConditions({ rule: nobody, event: "17", triggerRef: null, status: null }),
    10,
  ],
])("%s are found by an index, in bounded time", async (_what, table, conditions, rowsMax) => {
  const statements: { text: string; values: unknown[] }[] = [];
  const recording = {
    async query({ text, values = [] }: { text: string; values?: unknown[] }) {
      statements.push({ text, values });
      return fresh.database.query({ text, values });
    },
  };
  const limits = { searchedMax: 2_000, countedMax: 1_000 };
  const page = await readHistory(recording, { ...table, decode: () => null }, conditions, first, limits);
  await readHistory(
    recording,
    { ...table, decode: () => null },
    conditions,
    { ...first, before: page.older },
    limits,
  );

  for (const { text, values } of statements) {
    const { nodes, rowsRead } = await planOf(text, values);
    expect([text, nodes]).toEqual([text, expect.not.arrayContaining(["Seq Scan"])]);
    expect(rowsRead).toBeLessThanOrEqual(rowsMax);
  }
});
