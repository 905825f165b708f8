/** `/timers` over HTTP, with a real PostgreSQL. The ledger's rows are written as the agent that runs timers writes them. */
import { Value } from "typebox/value";
import { expect, test } from "vitest";
import { ListAnswer } from "../../src/api/paging.ts";
import { TimerAnswer } from "../../src/api/routes/timers.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../src/model/json/json.ts";
import { definitionsApi, givePack, rule } from "../support/definitions-api.ts";
import { query } from "../support/platform-rows.ts";

type Api = Awaited<ReturnType<typeof definitionsApi>>;

const nightly = { expression: "30 2 * * *", timezone: "Europe/Berlin" };

async function apiWithTimers() {
  const api = await definitionsApi();
  await givePack(api);
  return api;
}

async function addTimer(api: Api, ref: string, trigger_params: JsonObject, changes: JsonObject = {}) {
  const body = { ...rule, ref, trigger_ref: "core.crontimer", trigger_params, ...changes };
  return (await api.demand(201, "POST", "/rules", body)).data["id"];
}

async function show(api: Api, path: string): Promise<JsonObject> {
  return (await api.demand(200, "GET", path)).data;
}

function instant(value: JsonValue | undefined): number {
  return typeof value === "string" ? Date.parse(value) : Number.NaN;
}

function objects(value: JsonValue | undefined): readonly JsonObject[] {
  return isJsonArray(value) ? value.filter(isJsonObject) : [];
}

test("a timer shows its next ten fires, in its zone and in UTC", async () => {
  await using api = await apiWithTimers();
  await addTimer(api, "p.nightly", { ...nightly, note: "the report", spread: 60 });

  const timer = await show(api, "/timers/p.nightly");

  expect(timer).toMatchObject({
    rule_ref: "p.nightly",
    trigger_ref: "core.crontimer",
    trigger_params: { ...nightly, note: "the report" },
    enabled: true,
    state: "waiting",
    problem: null,
    note: "the report",
    timezone: "Europe/Berlin",
    execution_count: 0,
    skipped_count: 0,
    counts: {},
    last_fired_at: null,
    slots: [],
  });
  const fires = objects(timer["next_fires"]);
  expect(fires).toHaveLength(10);
  for (const fire of fires) {
    // 03:00 is when 02:30 is skipped.
    expect(fire["local"]).toMatch(/T0(2:30|3:00):00\+0[12]:00$/);
    expect(instant(fire["local"])).toBe(instant(fire["scheduled_at"]));
    const delay = instant(fire["due_at"]) - instant(fire["scheduled_at"]);
    expect(delay).toBeGreaterThanOrEqual(0);
    expect(delay).toBeLessThan(60_000);
  }
  expect(timer["next_fire_at"]).toBe(fires[0]?.["scheduled_at"]);
  expect(timer["next_fire_local"]).toBe(fires[0]?.["local"]);
});

test("the ledger says what became of slots, the newest first", async () => {
  await using api = await apiWithTimers();
  const id = await addTimer(api, "p.nightly", nightly);
  await query(
    api.database,
    `insert into timer_cursor (rule, schedule_since, series_since, settled_until, execution_count, counts,
                               last_scheduled_at, last_fired_at, entries)
     select rule, schedule_since, schedule_since, '2026-11-28 01:30Z', 7, '{"fired": 5, "late": 2, "down": 3, "paused": 1}',
            '2026-11-28 01:30Z', '2026-11-28 01:30:00.2Z', 3
       from timer_rule
      where rule = ${JSON.stringify(id)}`,
  );
  await query(
    api.database,
    `insert into timer_slot (rule, number, outcome, reason, first_scheduled_at, last_scheduled_at, slots, late_seconds,
                             fired_at, event)
     values (${JSON.stringify(id)}, 1, 'skipped', 'down', '2026-11-24 01:30Z', '2026-11-26 01:30Z', 3, null, null, null),
            (${JSON.stringify(id)}, 2, 'late', null, '2026-11-27 01:30Z', '2026-11-27 01:30Z', 1, 3600, '2026-11-27 02:30Z', 41),
            (${JSON.stringify(id)}, 3, 'fired', null, '2026-11-28 01:30Z', '2026-11-28 01:30Z', 1, 0.2, '2026-11-28 01:30:00.2Z', 42)`,
  );

  const timer = await show(api, "/timers/p.nightly");
  expect(timer).toMatchObject({
    execution_count: 7,
    skipped_count: 4,
    counts: { fired: 5, late: 2, down: 3, paused: 1 },
    last_fired_at: "2026-11-28T01:30:00.200Z",
    settled_until: "2026-11-28T01:30:00.000Z",
  });
  expect(timer["slots"]).toMatchObject([
    { outcome: "fired", reason: null, local: "2026-11-28T02:30:00+01:00", late_seconds: 0.2, event: 42 },
    { outcome: "late", late_seconds: 3600, event: 41 },
    {
      outcome: "skipped",
      reason: "down",
      slots: 3,
      counted: true,
      last_scheduled_at: "2026-11-26T01:30:00.000Z",
    },
  ]);
  expect(objects((await show(api, "/timers/p.nightly?slots=1"))["slots"])).toHaveLength(1);

  // A changed schedule begins anew; its ledger stays.
  await api.demand(200, "PATCH", "/rules/p.nightly", { trigger_params: { ...nightly, timezone: "UTC" } });
  const changed = await show(api, "/timers/p.nightly");
  expect(changed).toMatchObject({ execution_count: 0, counts: {}, settled_until: null, timezone: "UTC" });
  expect(objects(changed["slots"])).toHaveLength(3);
});

test("timers are listed with their states, and filtered", async () => {
  await using api = await apiWithTimers();
  await addTimer(api, "p.a", nightly);
  await addTimer(api, "p.b", nightly, { enabled: false });
  await addTimer(api, "p.c", { ...nightly, paused_until: "2999-01-01" });
  await addTimer(api, "p.d", { fire_at: "2020-01-01T00:00:00Z" }, { trigger_ref: "core.datetimetimer" });
  await addTimer(api, "p.e", nightly);
  // Plain SQL can write what the API refuses.
  await query(
    api.database,
    `update rule set trigger_params = '{"expression": "0 0 32 * *"}' where ref = 'p.e'`,
  );
  await api.demand(201, "POST", "/rules", { ...rule, ref: "p.none" });

  const { body } = await api.demand(200, "GET", "/timers?sort=ref");
  expect(Value.Errors(ListAnswer(TimerAnswer), body)).toEqual([]);
  const items = objects(body["items"]);
  expect(items.map(({ rule_ref, state }) => [rule_ref, state])).toEqual([
    ["p.a", "waiting"],
    ["p.b", "disabled"],
    ["p.c", "paused"],
    ["p.d", "finished"],
    ["p.e", "invalid"],
  ]);
  expect(items.map(({ next_fire_at }) => next_fire_at !== null)).toEqual([true, false, true, false, false]);
  expect(items.at(-1)).toMatchObject({
    problem: "expression: has the day of month 32, which is not from 1 to 31",
    timezone: null,
  });

  const refs = async (filter: string) =>
    objects((await api.demand(200, "GET", `/timers?${filter}`)).body["items"]).map(
      ({ rule_ref }) => rule_ref,
    );
  expect(await refs("enabled=false")).toEqual(["p.b"]);
  expect(await refs("trigger_ref=core.datetimetimer")).toEqual(["p.d"]);
  expect(await refs("pack_ref=elsewhere")).toEqual([]);
  expect(await refs("page_size=2&page=2&sort=ref")).toEqual(["p.c", "p.d"]);
});

test("calendars come from the configuration of the sensor", async () => {
  await using api = await apiWithTimers();
  await addTimer(api, "p.nightly", { expression: "0 12 25 12 *", exclude: ["calendar:holidays"] });
  expect(await show(api, "/timers/p.nightly")).toMatchObject({
    state: "invalid",
    problem: expect.stringContaining(
      "names the calendar holidays, which the sensor core.timers does not configure",
    ),
  });

  await query(
    api.database,
    `update sensor set config = '{"calendars": {"holidays": ["2026-12-25/2027-12-25"]}}' where ref = 'core.timers'`,
  );
  expect(await show(api, "/timers/p.nightly")).toMatchObject({
    state: "waiting",
    next_fire_at: "2028-12-25T12:00:00.000Z",
  });
});

test("a rule on another trigger, or none, is no timer", async () => {
  await using api = await apiWithTimers();
  await api.demand(201, "POST", "/rules", { ...rule, ref: "p.none" });

  const { body } = await api.demand(404, "GET", "/timers/p.none");
  expect(body["error"]).toBe("There is no rule p.none on a timer trigger.");
  await api.demand(404, "GET", "/timers/nowhere");
  await api.demand(422, "GET", "/timers?enabled=perhaps");
});
