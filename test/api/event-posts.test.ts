/** Events posted over HTTP, with a real PostgreSQL behind the pipeline. */
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { gzipSync } from "node:zlib";
import type { Client } from "pg";
import { expect, test } from "vitest";
import { parseJson } from "../../src/model/json/json-text.ts";
import { openRig } from "../events/pipeline-rig.ts";
import { insertTrigger, query } from "../support/platform-rows.ts";
import { openPostingApi, sensorCaller } from "../support/posting-api.ts";
import { holdTrigger } from "../support/held-trigger.ts";

interface EventRow {
  readonly id: string;
  readonly trigger_ref: string;
  readonly source_ref: string | null;
  readonly dedup_key: string | null;
  readonly payload: unknown;
}

const readEvents =
  "select id::text, trigger_ref, source_ref, dedup_key, payload from event order by event.id";

test("a sensor's event is stored as its own, and answered 201 with its id", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig);

  const { status, body } = await posting.post({
    trigger_ref: "demo.tick",
    payload: { n: 1 },
    source: "another.sensor",
    unknown: true,
  });

  expect(status).toBe(201);
  const rows = await query<EventRow>(rig.database, readEvents);
  expect(rows).toMatchObject([{ trigger_ref: "demo.tick", source_ref: "demo.sensor", payload: { n: 1 } }]);
  expect(body).toEqual({ data: { id: Number(rows[0]?.id) } });
});

test("the route answers without the prefix, and trigger_type names the trigger, too", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig);

  const { status } = await posting.post({ trigger_type: "demo.tick" }, "sensor", "/events");

  expect(status).toBe(201);
  expect(await query(rig.database, readEvents)).toMatchObject([{ payload: {} }]);
});

test("every digit of a payload's numbers is kept", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig);

  await posting.post('{"trigger_ref":"demo.tick","payload":{"n":12345678901234567890.10,"m":1e2}}');

  const [row] = await query<{ text: string }>(rig.database, "select payload::text as text from event");
  expect(parseJson(row?.text ?? "")).toEqual(parseJson('{"m": 100, "n": 12345678901234567890.10}'));
});

test("a second post with a dedup_key is answered 200 with the first id", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig);
  const event = { trigger_ref: "demo.tick", dedup_key: "k" };

  const first = await posting.post(event);
  const second = await posting.post(event);

  expect(second).toMatchObject({
    status: 200,
    body: { data: { id: first.body.data?.["id"], deduplicated: true } },
  });
  expect(await rig.countOf("event")).toBe(1);
});

test("a trigger outside the token is 403, and an admin may post it", async () => {
  await using rig = await openRig();
  await insertTrigger(rig.database, "demo.other");
  await using posting = await openPostingApi(rig);

  expect(await posting.post({ trigger_ref: "demo.other" })).toMatchObject({
    status: 403,
    body: { code: "FORBIDDEN", error: "The token is not for events of trigger demo.other." },
  });
  expect((await posting.post({ trigger_ref: "demo.other" }, "admin")).status).toBe(201);
  expect((await posting.post({ trigger_ref: "demo.other", source: "demo.sensor" }, "admin")).status).toBe(
    201,
  );
  expect((await posting.post({ trigger_ref: "demo.other", source: "no.sensor" }, "admin")).status).toBe(201);
  expect((await posting.post({ trigger_ref: "demo.other" }, "viewer")).status).toBe(403);
  expect((await posting.post({ trigger_ref: "demo.other" }, "nobody")).status).toBe(401);
  expect((await query<EventRow>(rig.database, readEvents)).map((row) => row.source_ref)).toEqual([
    null,
    "demo.sensor",
    null,
  ]);
});

test("a sensor whose assignment has ended is told 409, and stores nothing", async () => {
  await using rig = await openRig();
  const term = { generation: "99", instance: rig.instance };
  await using posting = await openPostingApi(rig, {}, { past: sensorCaller("demo.sensor", term) });

  const answer = await posting.post({ trigger_ref: "demo.tick", checkpoint: 1 }, "past");

  expect(answer).toMatchObject({ status: 409, body: { code: "CONFLICT" } });
  expect(await rig.countOf("event")).toBe(0);
  expect(await rig.countOf("sensor_checkpoint")).toBe(0);
});

test("a sensor that does not exist is told 403", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig, {}, { gone: sensorCaller("gone.sensor", null) });

  expect((await posting.post({ trigger_ref: "demo.tick" }, "gone")).status).toBe(403);
});

test("what cannot be an event is 422, with what is wrong", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig);
  const bodies = {
    null: "body",
    '"text"': "body",
    "{}": "trigger_ref",
    '{"trigger_ref":7}': "trigger_ref",
    '{"trigger_ref":"demo.tick","dedup_key":""}': "dedup_key",
    '{"trigger_ref":"demo.tick","dedup_key":5}': "dedup_key",
    '{"trigger_ref":"demo.tick","occurred_at":"yesterday"}': "occurred_at",
    '{"trigger_ref":"demo.tick","trigger_instance_id":4}': "trigger_instance_id",
    '{"trigger_ref":"demo.tick","payload":{"a":"\\u0000"}}': "body",
    '{"trigger_ref":"demo.tick","checkpoint":"\\ud800"}': "body",
    '{"trigger_ref":"demo.tick","trigger_instance_id":"rule_\\u0000"}': "body",
    '{"trigger_ref":"demo.tick","trigger_instance_id":"rule_\\ud800"}': "body",
    [`{"trigger_ref":"demo.tick","trigger_instance_id":"rule_${"x".repeat(256)}"}`]: "body",
  };

  for (const [body, parameter] of Object.entries(bodies)) {
    expect([body, await posting.post(body)]).toMatchObject([
      body,
      { status: 422, body: { code: "VALIDATION_FAILED", details: [{ parameter }] } },
    ]);
  }
  expect((await posting.post("{")).status).toBe(400);
  expect(await rig.countOf("event")).toBe(0);
});

// Goal: what is stored is what was sent.
test.each([
  ["that is no UTF-8", Buffer.from('{"trigger_ref":"demo.tick","payload":{"a":"\xff"}}', "latin1"), {}, 400],
  ["that is compressed", gzipSync('{"trigger_ref":"demo.tick"}'), { "content-encoding": "gzip" }, 415],
])("a body %s is refused, as an event and as a CloudEvent", async (_, sent, furtherHeaders, status) => {
  await using rig = await openRig();
  await query(rig.database, `update trigger set cloudevents = '{"type": "tick"}' where ref = 'demo.tick'`);
  await using posting = await openPostingApi(rig);

  for (const [path, type] of [
    ["/api/v1/events", "application/json"],
    ["/api/v1/cloudevents", "application/cloudevents+json"],
    ...(status === 415 ? ([["/api/v1/cloudevents", "application/json"]] as const) : []),
  ] as const) {
    const ce = { "ce-specversion": "1.0", "ce-id": "1", "ce-type": "tick", "ce-source": "s" };
    const headers = { authorization: "Bearer sensor", "content-type": type, ...ce, ...furtherHeaders };
    const response = await fetch(`${posting.api.address}${path}`, { method: "POST", headers, body: sent });
    expect([path, response.status]).toEqual([path, status]);
  }
  expect(await rig.countOf("event")).toBe(0);
});

test("a trigger_instance_id that aims at no rule is ignored, however long it is", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig);

  const unaimed = { trigger_ref: "demo.tick", trigger_instance_id: `instance ${"x".repeat(1_000)}` };

  expect((await posting.post(unaimed)).status).toBe(201);
  expect(await query(rig.database, "select rule_ref from event")).toEqual([{ rule_ref: null }]);
});

test("an unknown trigger is 422, with the reason", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig);

  const { status, body } = await posting.post({ trigger_ref: "no.trigger" }, "admin");

  expect(status).toBe(422);
  expect(body).toMatchObject({ details: [{ problem: "trigger no.trigger does not exist" }] });
});

test("an event's checkpoint moves with it, and a body with a checkpoint alone moves it without an event", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig, {}, { loose: sensorCaller("demo.sensor", null) });
  const value = async (): Promise<unknown> =>
    (await query<{ value: unknown }>(rig.database, "select value from sensor_checkpoint"))[0]?.value;

  expect(await posting.post({ trigger_ref: "demo.tick", checkpoint: { at: 1 } })).toMatchObject({
    status: 201,
    body: { data: { checkpoint_stored: true } },
  });
  expect(await value()).toEqual({ at: 1 });
  expect(await posting.post({ checkpoint: { at: 2 } })).toMatchObject({
    status: 200,
    body: { data: { checkpoint_stored: true } },
  });
  expect(await value()).toEqual({ at: 2 });

  // A token of no assignment has no right to the checkpoint.
  expect(await posting.post({ trigger_ref: "demo.tick", checkpoint: { at: 3 } }, "loose")).toMatchObject({
    status: 201,
    body: { data: { checkpoint_stored: false } },
  });
  expect((await posting.post({ checkpoint: { at: 3 } }, "loose")).status).toBe(422);
  expect(await value()).toEqual({ at: 2 });
  expect(await rig.countOf("event")).toBe(2);
});

test("many events are answered one by one, in their order", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig);
  const event = { trigger_ref: "demo.tick", dedup_key: "k" };

  expect((await posting.post([event, { trigger_ref: "demo.tick" }])).status).toBe(201);
  expect((await posting.post({ events: [event, { trigger_ref: "demo.tick" }] })).status).toBe(200);
  const mixed = await posting.post([event, { trigger_ref: "demo.other" }, {}, { checkpoint: 4 }]);

  expect(mixed.status).toBe(207);
  expect(mixed.body.data).toMatchObject([
    { status: 200, deduplicated: true },
    { status: 403, code: "FORBIDDEN" },
    { status: 422, code: "VALIDATION_FAILED", details: [{ parameter: "trigger_ref" }] },
    { status: 200, checkpoint_stored: true },
  ]);
  expect(await posting.post([{ trigger_ref: "demo.other" }, { trigger_ref: "demo.more" }])).toMatchObject({
    status: 403,
    body: { code: "FORBIDDEN", data: [{ status: 403 }, { status: 403 }] },
  });
  expect(await posting.post([])).toMatchObject({ status: 200, body: { data: [] } });
  expect(await rig.countOf("event")).toBe(3);
});

test("a thousand events are one batch, and more are 422", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig);
  const events = Array.from({ length: 1_001 }, (_, n) => ({ trigger_ref: "demo.tick", payload: { n } }));

  expect(await posting.post(events)).toMatchObject({ status: 422 });
  const { status, body } = await posting.post(events.slice(1));

  expect(status).toBe(201);
  const ids = (body.data as unknown as { id: number }[]).map(({ id }) => id);
  expect(ids).toEqual(ids.toSorted((one, other) => one - other));
  const rows = await query<{ n: number }>(
    rig.database,
    "select (payload->>'n')::int as n from event order by id",
  );
  expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 1_000 }, (_, n) => n + 1));
});

/** Whether a batch waits for the lock of a trigger. */
async function isBatchWaiting(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ count: number }>(
    "select count(*)::int as count from pg_stat_activity where wait_event_type = 'Lock' and query like '%rules_held%'",
  );
  return rows[0]?.count === 1;
}

/** A connection that has posted a body. */
async function post(address: string, body: string): Promise<Socket> {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname).pause();
  await once(socket, "connect");
  socket.write(
    `POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sensor\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  return socket;
}

/** A connection that posts a body and is gone before the answer. */
async function postAndLeave(address: string, body: string, isPosted: () => Promise<boolean>): Promise<void> {
  const socket = await post(address, body);
  await expect.poll(isPosted, { timeout: 20_000 }).toBe(true);
  socket.resetAndDestroy();
  await once(socket, "close");
}

// Goal: a client that repeats a post after a broken connection stores one event, and any other equal post is another.
// Method: hold the database's rows, so that the connection is reset while the event is being stored.
test("a post whose answer could not be written is answered with the first id, once", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig);
  await posting.post({ trigger_ref: "demo.tick", payload: { n: 0 } });
  const body = JSON.stringify({ trigger_ref: "demo.tick", payload: { n: 1 } });
  const holder = await rig.fresh.connect();
  await holder.query("begin");
  await holder.query(holdTrigger("demo.tick"));
  await postAndLeave(posting.api.address, body, () => isBatchWaiting(holder));

  const repeated = posting.post(body);
  await holder.query("commit");
  const answer = await repeated;
  const third = await posting.post(body);

  expect(answer.status).toBe(201);
  const rows = await query<EventRow>(rig.database, readEvents);
  expect(rows).toHaveLength(3);
  expect(answer.body.data?.["id"]).toBe(Number(rows[1]?.id));
  expect(third.body.data?.["id"]).toBe(Number(rows[2]?.id));
});

// Goal: the same for a client that closes its connection while the answer is under way, as the SDK does when it is stopped.
// Method: the client closes the connection without having read the answer, which resets it.
test("a post whose answer was never read is answered with the first id, once", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig);
  const body = JSON.stringify({ trigger_ref: "demo.tick", payload: { n: 1 } });
  const stored = async (): Promise<readonly EventRow[]> => await query<EventRow>(rig.database, readEvents);
  await postAndLeave(posting.api.address, body, async () => {
    if ((await stored()).length === 0) return false;
    // By the answer to another connection the one to this is written, too.
    await fetch(`${posting.api.address}/health`);
    return true;
  });
  await fetch(`${posting.api.address}/health`);

  const repeated = await posting.post(body);
  const third = await posting.post(body);

  const [first, second, ...others] = await stored();
  expect(others).toEqual([]);
  expect(repeated).toMatchObject({ status: 201, body: { data: { id: Number(first?.id) } } });
  expect(third.body.data?.["id"]).toBe(Number(second?.id));
});

// Goal: clients that leave before large answers do not fill the memory.
// Method: the answers to these batches are some 300 kB each, for events of triggers that the token is not for.
test("only so many bytes of answers that could not be written are kept", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig, { waitMs: 30_000 });
  const refused = Array.from({ length: 999 }, () => ({ trigger_ref: "other.".padEnd(255, "x") }));
  const bodies = Array.from({ length: 40 }, (_, n) =>
    JSON.stringify([{ trigger_ref: "demo.tick", payload: { n } }, ...refused]),
  );
  await posting.post({ trigger_ref: "demo.tick" });
  const holder = await rig.fresh.connect();
  await holder.query("begin");
  await holder.query(holdTrigger("demo.tick"));
  const held = posting.post({ trigger_ref: "demo.tick" });
  await expect.poll(() => isBatchWaiting(holder)).toBe(true);
  const sockets = await Promise.all(bodies.map((body) => post(posting.api.address, body)));
  await expect.poll(() => posting.running.pipeline.waitingCount).toBe(40);
  for (const socket of sockets) {
    socket.resetAndDestroy();
    await once(socket, "close");
  }
  await fetch(`${posting.api.address}/health`);
  await holder.query("commit");
  await held;
  await expect.poll(() => rig.countOf("event")).toBe(42);

  const statuses = [];
  for (const body of bodies) statuses.push((await posting.post(body)).status);

  const known = 82 - (await rig.countOf("event"));
  expect(statuses).toEqual(bodies.map(() => 207));
  expect(known).toBeGreaterThan(0);
  expect(known).toBeLessThan(30);
});

test("two equal posts are two events", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig);
  const body = { trigger_ref: "demo.tick", payload: { n: 1 } };

  const [one, other] = await Promise.all([posting.post(body), posting.post(body)]);

  expect(one.body.data?.["id"]).not.toBe(other.body.data?.["id"]);
});
