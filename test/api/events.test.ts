/** Events and enforcements, as the API lists and shows them. */
import { Value } from "typebox/value";
import { expect, test } from "vitest";
import {
  EnforcementAnswer,
  EnforcementDetailsAnswer,
  EventAnswer,
  EventDetailsAnswer,
} from "../../src/api/routes/events.ts";
import { HistoryAnswer } from "../../src/api/history-paging.ts";
import { openRig } from "../events/pipeline-rig.ts";
import { insertRule, query } from "../support/platform-rows.ts";
import { openPostingApi, type PostingApi } from "../support/posting-api.ts";

interface List {
  readonly items: readonly Readonly<Record<string, unknown>>[];
  readonly pagination: Readonly<Record<string, unknown>>;
}

async function ask({ api }: PostingApi, path: string, token = "viewer") {
  const response = await fetch(`${api.address}${path}`, { headers: { authorization: `Bearer ${token}` } });
  const text = await response.text();
  return { status: response.status, text, body: JSON.parse(text) as Record<string, unknown> };
}

async function list(posting: PostingApi, path: string): Promise<List> {
  const { status, body } = await ask(posting, path);
  expect([path, status]).toEqual([path, 200]);
  return body as unknown as List;
}

test("events are listed newest first, with what clients need, and filtered", async () => {
  await using rig = await openRig();
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using posting = await openPostingApi(rig);
  await posting.post({ trigger_ref: "demo.tick", payload: { n: 1 }, trigger_instance_id: "rule_demo.rule" });
  await posting.post({ trigger_ref: "demo.tick", payload: { n: 2 }, dedup_key: "k" }, "admin");

  const all = await list(posting, "/api/v1/events");

  expect(Value.Errors(HistoryAnswer(EventAnswer), all)).toEqual([]);
  expect(all.items).toMatchObject([
    {
      trigger_ref: "demo.tick",
      source: null,
      source_ref: null,
      rule: null,
      dedup_key: "k",
      has_payload: true,
    },
    { source: Number(rig.source.sensorId), source_ref: "demo.sensor", rule_ref: "demo.rule" },
  ]);
  expect(all.pagination).toMatchObject({
    page: 1,
    total_items: 2,
    total_exact: true,
    total_pages: 1,
    has_next: false,
    has_previous: false,
  });
  const [newest, oldest] = all.items;
  const trigger = String(newest?.["trigger"]);
  const rule = String(oldest?.["rule"]);
  for (const [parameters, found] of [
    ["trigger_ref=demo.tick", [newest, oldest]],
    ["trigger_type=demo.other", []],
    [`trigger=${trigger}`, [newest, oldest]],
    ["trigger=demo.tick&per_page=1", [newest]],
    ["page=2&page_size=1", [oldest]],
    [`source=${rig.source.sensorId}`, [oldest]],
    ["source=demo.sensor", [oldest]],
    ["source_ref=none", []],
    [`rule=${rule}`, [oldest]],
    ["rule_ref=demo.rule", [oldest]],
    ["created_after=2126-01-01T00:00:00Z", []],
    ["created_before=2126-01-01T00:00:00Z", [newest, oldest]],
  ] as const) {
    expect([parameters, (await list(posting, `/events?${parameters}`)).items]).toEqual([parameters, found]);
  }
});

test("a cursor goes on where a page ended, also when events were added since", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig);
  for (const n of [1, 2, 3]) await posting.post({ trigger_ref: "demo.tick", payload: { n } });

  const first = await list(posting, "/api/v1/events?limit=2");
  await posting.post({ trigger_ref: "demo.tick", payload: { n: 4 } });
  const second = await list(posting, `/api/v1/events?limit=2&before=${String(first.pagination["before"])}`);
  const newer = await list(posting, `/api/v1/events?limit=2&after=${String(first.pagination["after"])}`);
  const none = await list(posting, `/api/v1/events?after=${String(newer.pagination["after"])}`);

  const rows = await query<{ id: string }>(rig.database, "select id::text from event order by created desc");
  const ids = rows.map(({ id }) => Number(id));
  const idsOf = ({ items }: List): unknown[] => items.map(({ id }) => id);
  expect([newer, first, second].map(idsOf)).toEqual([[ids[0]], [ids[1], ids[2]], [ids[3]]]);
  expect(first.pagination).toMatchObject({ has_next: true });
  expect(second.pagination).toMatchObject({ has_next: false, before: null, has_previous: true });
  expect(none).toMatchObject({ items: [], pagination: { after: newer.pagination["after"] } });
});

test("one event is shown with its payload, every digit of it, and its configuration", async () => {
  await using rig = await openRig();
  await query(rig.database, `update sensor set config = '{"path": "/x"}'`);
  await using posting = await openPostingApi(rig);
  const { body } = await posting.post('{"trigger_ref":"demo.tick","payload":{"n":12345678901234567890.10}}');
  const id = String(body.data?.["id"]);

  const { status, text, body: shown } = await ask(posting, `/api/v1/events/${id}`);

  expect(status).toBe(200);
  expect(Value.Errors(EventDetailsAnswer, shown["data"])).toEqual([]);
  expect(text).toContain('"payload":{"n":12345678901234567890.10}');
  expect(shown).toMatchObject({
    data: { config: { sensor: { ref: "demo.sensor", config: { path: "/x" } } } },
  });
  for (const missing of ["1", "abc", "9".repeat(19)])
    expect((await ask(posting, `/api/v1/events/${missing}`)).status).toBe(missing === id ? 200 : 404);
});

test("enforcements are listed and shown, also with a payload that only the event has", async () => {
  await using rig = await openRig();
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await insertRule(rig.database, { ref: "demo.second", triggerRef: "demo.tick" });
  await using posting = await openPostingApi(rig);
  const large = "x".repeat(5_000);
  const { body } = await posting.post({ trigger_ref: "demo.tick", payload: { large } });
  await posting.post({ trigger_ref: "demo.tick" });
  const event = String(body.data?.["id"]);

  const all = await list(posting, "/api/v1/enforcements");
  expect(Value.Errors(HistoryAnswer(EnforcementAnswer), all)).toEqual([]);
  expect(all.items).toHaveLength(4);
  const [one] = (await list(posting, `/api/v1/enforcements?event=${event}&rule_ref=demo.rule`)).items;
  expect(one).toMatchObject({
    rule_ref: "demo.rule",
    event: Number(event),
    status: "created",
    condition: "all",
  });
  expect((await list(posting, `/api/v1/enforcements?rule=${String(one?.["rule"])}`)).items).toHaveLength(2);
  expect((await list(posting, "/api/v1/enforcements?status=processed")).items).toEqual([]);
  expect(
    (await list(posting, "/api/v1/enforcements?trigger_ref=demo.tick&status=created")).items,
  ).toHaveLength(4);

  const shown = await ask(posting, `/api/v1/enforcements/${String(one?.["id"])}`);
  expect(Value.Errors(EnforcementDetailsAnswer, shown.body["data"])).toEqual([]);
  expect(shown.body).toMatchObject({ data: { payload: { large }, rule_ref: "demo.rule" } });
  expect((await ask(posting, "/api/v1/enforcements/999999")).status).toBe(404);
});

test("what a list cannot answer is 422, and a sensor reads no events", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig);

  for (const [parameters, parameter] of [
    ["before=x", "before"],
    ["before=1-1&after=1-1", "after"],
    ["created_after=yesterday", "created_after"],
    ["page=102&page_size=100", "page"],
  ] as const) {
    expect([parameters, await ask(posting, `/api/v1/events?${parameters}`)]).toMatchObject([
      parameters,
      { status: 422, body: { details: [{ parameter }] } },
    ]);
  }
  const problem = "must be a cursor: pagination.before of an earlier answer";
  expect((await ask(posting, "/api/v1/events?before=x")).body["details"]).toMatchObject([{ problem }]);
  expect((await ask(posting, "/api/v1/enforcements?event=x")).status).toBe(422);
  expect((await ask(posting, "/api/v1/events?limit=1000&page=100")).status).toBe(200);
  expect((await ask(posting, "/api/v1/events", "sensor")).status).toBe(403);
});
