/**
 * The output of real programs, from a pack's sensors through a complete agent into rows. The sensors are those of
 * test/fixtures/packs/output: each prints what a bug report of another system was about.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import type { Database } from "../../src/database/database.ts";
import { loadPacks } from "../../src/packs/load-packs.ts";
import { readPacks } from "../../src/packs/read-packs.ts";
import { agentFolder, ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

const packsDirectory = join(repositoryRoot, "test/fixtures/packs");
const eventually = { timeout: 20_000 };

const opened = new AsyncDisposableStack();
let database: Database;
let folder: AgentFolder;

beforeAll(async () => {
  const fresh = opened.use(await freshDatabase());
  ({ database } = fresh);
  const { packs } = await readPacks([join(packsDirectory, "output")]);
  await loadPacks(database, packs);
  folder = opened.use(
    await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: undefined,
      packsDirectory,
      workerName: "output",
      sensor: { max_concurrent_sensors: 100 },
    }),
  );
  const environment = { ATTUNE_SENSOR_RUNTIMES: "shell" };
  await ready(opened.use(await startAgent(folder, { environment })), folder);
});

afterAll(() => opened.disposeAsync());

async function payloads(sensor: string): Promise<readonly unknown[]> {
  const rows = await query<{ payload: unknown }>(
    database,
    "select payload from event where source_ref = $1 order by id",
    [`output.${sensor}`],
  );
  return rows.map(({ payload }) => payload);
}

/** Undefined: none was stored. */
async function checkpoint(sensor: string): Promise<unknown> {
  const [row] = await query<{ value: unknown }>(
    database,
    "select value from sensor_checkpoint join sensor on sensor.id = sensor_checkpoint.sensor where ref = $1",
    [`output.${sensor}`],
  );
  return row?.value;
}

async function log(sensor: string): Promise<string> {
  return readFile(join(folder.path, "logs", `output.${sensor}.log`), "utf8").catch(() => "");
}

function occurrences(text: string, part: string): number {
  return text.split(part).length - 1;
}

// Goal: a page whose last event can never be stored is done with after one run.
// Method: the sensor asks for what is newer than its checkpoint; several runs later there are no more events.
test("a poll page that ends with an event the database cannot hold is stored once and its checkpoint moves", async () => {
  await expect.poll(() => checkpoint("poisoned_page"), eventually).toBe(3);
  await expect
    .poll(async () => occurrences(await log("poisoned_page"), "newer than 3"), eventually)
    .toBeGreaterThan(2);

  expect(await payloads("poisoned_page")).toEqual([{ id: 1 }, { id: 2 }]);
  expect(occurrences(await log("poisoned_page"), "not an event")).toBe(1);
});

test("an empty page moves the checkpoint", async () => {
  await expect.poll(() => checkpoint("empty_page"), eventually).toEqual({ page: 9 });
  expect(await payloads("empty_page")).toEqual([]);
});

test("valid times are stored to the microsecond; others are left out with a remark", async () => {
  const times = async (): Promise<readonly unknown[]> => {
    const rows = await query<{ at: string | null }>(
      database,
      `select to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') as at
         from event where source_ref = 'output.times' order by id`,
    );
    return rows.map(({ at }) => at);
  };

  await expect
    .poll(times, eventually)
    .toEqual([
      null,
      "2026-07-01 00:00:00.000000",
      "2026-01-31 12:00:00.000000",
      null,
      "2026-01-31 13:00:00.123456",
      null,
    ]);
  await expect.poll(() => log("times"), eventually).toContain('occurred_at is left out, since "2026-02-30');
});

test("objects of other programs that have a payload keep their other keys, and rules find them", async () => {
  await expect
    .poll(() => payloads("foreign"), eventually)
    .toEqual([
      { id: "1", type: "PushEvent", repo: { name: "acme/site" }, payload: { ref: "refs/heads/main" } },
      { tst: "2026-01-31T12:00:00.1+0000", topic: "home/kitchen", qos: 0, payload: { celsius: 31 } },
      { tst: "2026-01-31T12:00:00.1+0000", topic: "home/kitchen", qos: 0, payload: 31 },
    ]);
  const matched = await query(
    database,
    `select enforcement.rule_ref, count(*)::int as count
       from enforcement join event on event.id = enforcement.event
      where event.source_ref = 'output.foreign' and enforcement.rule_ref <> 'output.any'
      group by 1 order by 1`,
  );
  expect(matched).toEqual([
    { rule_ref: "output.kitchen", count: 2 },
    { rule_ref: "output.push", count: 1 },
  ]);
  await expect
    .poll(() => log("foreign"), eventually)
    .toContain('it has "payload" beside keys that no envelope has');
  expect(occurrences(await log("foreign"), "beside keys that no envelope has")).toBe(1);
});

test("an envelope without payload moves the checkpoint and is deduplicated", async () => {
  await expect.poll(() => checkpoint("bare_checkpoint"), eventually).toBe(7);
  expect(await payloads("bare_checkpoint")).toEqual([{}]);
});

test("an empty dedup_key is refused, and its checkpoint moves", async () => {
  await expect.poll(() => checkpoint("empty_key"), eventually).toBe(2);
  await expect.poll(() => payloads("empty_key"), eventually).toEqual([{ n: 3 }]);
  await expect
    .poll(async () => occurrences(await log("empty_key"), "dedup_key is empty"), eventually)
    .toBe(2);
});

test("rejected output is in the sensor's log with the reason and its beginning", async () => {
  await expect
    .poll(() => payloads("refused"), eventually)
    .toEqual([
      { n: 1, text: "fine" },
      { n: 3, text: "fine" },
    ]);
  await expect
    .poll(() => log("refused"), eventually)
    .toContain(
      String.raw`the character NUL (\u0000), which PostgreSQL cannot store: "{\"payload\": {\"n\": 2, `,
    );
});

test("a check that reports by exit code produces events if its pack says so, otherwise log lines", async () => {
  await expect.poll(() => payloads("check"), eventually).toEqual([{ state: "critical", free: "5%" }]);
  await expect
    .poll(() => log("plain_check"), eventually)
    .toContain("of the failed run: DISK CRITICAL - free space: / 3326 MB (5%)");
  expect(await payloads("plain_check")).toEqual([]);
});

test("a poll may print an array, and pretty-printed documents one after the other", async () => {
  await expect.poll(() => payloads("array"), eventually).toEqual([{ id: 1 }, { id: 2 }]);
  await expect
    .poll(() => payloads("pretty_poll"), eventually)
    .toEqual([
      { id: 1, tags: [] },
      { id: 2, tags: [{}] },
    ]);
});

test("pretty-printed JSON from a stream sensor is reported as such, and no part of it becomes an event", async () => {
  await expect.poll(() => payloads("pretty_stream"), eventually).toEqual([{ id: 5 }]);
  await expect
    .poll(() => log("pretty_stream"), eventually)
    .toContain("JSON over several lines; print one object a line, for example with jq -c");
});

test("an entry of a page that is not JSON is refused alone, and the page's checkpoint moves", async () => {
  await expect.poll(() => checkpoint("bad_entry"), eventually).toBe(2);
  await expect.poll(() => log("bad_entry"), eventually).toContain("asked again");
  expect(await payloads("bad_entry")).toEqual([{ celsius: 20.5 }, { celsius: 21 }]);
  expect(await log("bad_entry")).toContain("entry 2 of its list: it is not JSON: NaN is not a JSON number");
});
