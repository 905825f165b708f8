import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Database, Query } from "../../src/database/database.ts";
import { DeliveryWatch } from "../../src/events/delivery/delivery-watch.ts";
import { openInProcess } from "../../src/messaging/in-process/in-process.ts";
import { decodeMessage } from "../../src/messaging/messages/envelope.ts";
import { eventCreated } from "../../src/messaging/messages/message-types.ts";
import {
  MessageRefusedError,
  type MessageTransport,
  type OutgoingMessage,
} from "../../src/messaging/message-transport.ts";
import { messageId } from "../../src/model/identifiers.ts";
import { RuleMatcher } from "../../src/rules/rule-matcher.ts";
import { openRuleSource } from "../../src/rules/rule-source.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { insertRule, insertTrigger, insertWorker, query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";
import {
  preparePublishing,
  scriptedTransport,
  type Publishing,
  type PublishingOptions,
} from "../support/publishing.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { seededRandom } from "../support/seeded-random.ts";

const soon = { timeout: 9_000, interval: 10 };

let fresh: FreshDatabase;
let instance: string;
let installationId: string;

beforeEach(async () => {
  fresh = await freshDatabase();
  instance = randomUUID();
  const [row] = await query<{ id: string }>(fresh.database, "select id from installation");
  installationId = row?.id ?? "";
});

afterEach(async () => {
  await fresh[Symbol.asyncDispose]();
});

function prepare(
  transport: MessageTransport,
  options: Partial<Omit<PublishingOptions, "transport">> = {},
): Publishing {
  return preparePublishing({ database: fresh.database, instance, installationId, transport, ...options });
}

async function start(...args: Parameters<typeof prepare>): Promise<Publishing> {
  const publishing = prepare(...args);
  await publishing.start();
  return publishing;
}

async function owe(count: number, owner: string | null): Promise<OutgoingMessage[]> {
  await insertTrigger(fresh.database, "demo.tick").catch(() => {});
  const rows = await query<{ id: string; created: Date }>(
    fresh.database,
    "insert into event (trigger_ref, payload) select 'demo.tick', '{\"n\": 1}' from generate_series(1, $1) returning id, created",
    [count],
  );
  const messages = rows.map(({ id, created }) =>
    eventCreated({
      installationId,
      eventId: id,
      triggerId: null,
      triggerRef: "demo.tick",
      sensorId: null,
      sensorRef: null,
      payloadJson: '{"n": 1}',
      configJson: "{}",
      timestampMs: created.getTime(),
    }),
  );
  await query(
    fresh.database,
    "insert into outbox (message_id, routing_key, event, instance) select m, 'event.created', e, $3 from unnest($1::uuid[], $2::bigint[]) as owed (m, e)",
    [messages.map((message) => message.messageId), rows.map(({ id }) => id), owner],
  );
  return messages;
}

function idsOf(messages: readonly OutgoingMessage[]): string[] {
  return messages.map((message) => message.messageId);
}

const owed = (): Promise<object[]> => query(fresh.database, "select * from outbox");

const owners = (): Promise<object[]> =>
  query(
    fresh.database,
    "select instance, owner from outbox_owner where instance <> '00000000-0000-0000-0000-000000000000'",
  );

test("a message is forgotten only after its confirm", async () => {
  const transport = scriptedTransport();
  await using publishing = await start(transport);
  const messages = await owe(3, instance);

  publishing.publisher.send(messages, [0, 0, 0]);
  await expect.poll(() => transport.published.length, soon).toBe(3);
  await publishing.publisher.rows.flush();
  expect(await owed()).toHaveLength(3);
  transport.confirmAll();

  await expect.poll(owed, soon).toEqual([]);
  expect(transport.published).toHaveLength(3);
});

test("what is stored while too much is in flight is left, read back in order, and then sent from memory again", async () => {
  const transport = scriptedTransport();
  await using publishing = await start(transport, { inFlightMax: 2 });
  const { publisher, metrics } = publishing;
  const messages: OutgoingMessage[] = [];
  async function storeAndSend(count: number): Promise<void> {
    const stored = await owe(count, instance);
    messages.push(...stored);
    publisher.send(stored, []);
  }

  await storeAndSend(8);
  await storeAndSend(30);
  expect(publisher.isBehind).toBe(true);
  expect(transport.published).toHaveLength(8);
  await storeAndSend(1);
  await expect
    .poll(() => {
      transport.confirmAll();
      return [publisher.isBehind, transport.published.length];
    }, soon)
    .toEqual([false, 39]);
  await storeAndSend(1);
  await expect
    .poll(() => {
      transport.confirmAll();
      return owed();
    }, soon)
    .toEqual([]);

  expect(transport.ids()).toEqual(idsOf(messages));
  const swept = /^attune_sensor_agent_messages_swept_total (\d+)$/m.exec(await metrics.text())?.[1];
  expect(Number(swept)).toBeGreaterThanOrEqual(30);
  expect(Number(swept)).toBeLessThan(40);
});

test("storing never waits: with the broker down memory stays bounded, and all goes out in order when it is back", async () => {
  const transport = scriptedTransport();
  transport.state = "down";
  await using publishing = await start(transport, { inFlightMax: 2 });
  const { publisher } = publishing;
  const messages: OutgoingMessage[] = [];
  for (let batch = 0; batch < 20; batch += 1) {
    const stored = await owe(10, instance);
    messages.push(...stored);
    publisher.send(stored, []);
  }
  expect(publisher.inFlightCount).toBe(30);

  transport.state = "up";
  await expect
    .poll(() => {
      transport.confirmAll();
      return owed();
    }, soon)
    .toEqual([]);

  expect(transport.ids()).toEqual(idsOf(messages));
});

test("a source that can wait is also slowed down by few large messages, before they are left to the outbox", async () => {
  const transport = scriptedTransport();
  await using publishing = await start(transport);
  const { publisher } = publishing;
  await expect.poll(() => publisher.isBehind, soon).toBe(false);
  const large = async (): Promise<OutgoingMessage[]> =>
    (await owe(3, instance)).map((message) => ({ ...message, body: "x".repeat(3_000_000) }));
  publisher.send(await owe(1, instance), []);
  transport.confirmAll();
  await expect.poll(() => publisher.inFlightCount, soon).toBe(0);

  const [first, ...others] = await large();
  if (first !== undefined) publisher.send([first], []);
  expect(publisher.pace.ease()).toBeUndefined();
  publisher.send(others, []);

  expect(publisher.pace.ease()).toBeDefined();
  expect(publisher.isBehind).toBe(false);
  transport.confirmAll();
  await expect.poll(() => publisher.pace.ease(), soon).toBeUndefined();
});

test("a source that can wait is slowed down while the broker confirms, and never for one that does not", async () => {
  const transport = scriptedTransport();
  await using publishing = await start(transport, { inFlightMax: 2 });
  const { publisher } = publishing;
  await expect.poll(() => publisher.isBehind, soon).toBe(false);
  publisher.send(await owe(3, instance), []);
  expect(publisher.pace.ease()).toBeUndefined();

  transport.confirmAll();
  await expect.poll(owed, soon).toEqual([]);
  publisher.send(await owe(3, instance), []);
  const easing = publisher.pace.ease();
  expect(easing).toBeDefined();
  let isEased = false;
  void easing?.then(() => (isEased = true));
  await sleep(50);
  expect(isEased).toBe(false);
  transport.confirmAll();
  await expect.poll(() => isEased, soon).toBe(true);

  publisher.send(await owe(3, instance), []);
  // It confirms nothing any more.
  await expect.poll(() => publisher.pace.ease(), soon).toBeUndefined();
  expect(publisher.inFlightCount).toBe(3);
});

test("messages unconfirmed at the end of the process are left to others at once", async () => {
  const transport = scriptedTransport();
  await insertWorker(fresh.database, { name: "self", instance });
  const publishing = await start(transport);
  publishing.publisher.send(await owe(1, instance), [0]);

  // In the order of the service: a sweeper that still runs makes this process the owner again.
  await publishing.stop();
  await publishing.publisher.drain(AbortSignal.timeout(50));

  const heir = scriptedTransport();
  await using _ = await start(heir, { instance: randomUUID() });
  await expect.poll(() => heir.published.length, soon).toBe(1);
});

interface Received {
  readonly type: string;
  readonly id: string | undefined;
}

async function collect(transport: MessageTransport): Promise<Received[]> {
  const received: Received[] = [];
  await transport.subscribe(
    { exchange: "attune.events", bindings: ["#"], prefetch: 100 },
    async (message) => {
      const decoded = decodeMessage(message.body);
      received.push({
        type: decoded.ok ? decoded.envelope.message_type : "?",
        id: message.messageId,
      });
      return "done";
    },
  );
  return received;
}

test("messages without an owner and of a dead owner are published and forgotten; those of a live one are left", async () => {
  await using transport = await openInProcess({ logger: silentLogger });
  const received = await collect(transport);
  const alive = randomUUID();
  await insertWorker(fresh.database, { name: "alive", instance: alive });
  await insertWorker(fresh.database, { name: "self", instance });
  const orphans = [...(await owe(2, null)), ...(await owe(2, randomUUID()))];
  const theirs = await owe(1, alive);
  await using _ = await start(transport);

  await expect
    .poll(() => new Set(received.map(({ id }) => id)), soon)
    .toEqual(new Set(orphans.map((message) => message.messageId)));
  await expect
    .poll(() => query(fresh.database, "select message_id from outbox"), soon)
    .toEqual([{ message_id: theirs[0]?.messageId }]);
});

test("a swept message is the one that its process would have sent", async () => {
  const transport = scriptedTransport();
  await owe(1, null);
  await using _ = await start(transport);
  await expect.poll(() => transport.published.length, soon).toBe(1);
  transport.confirmAll();

  const [message] = transport.published;
  const decoded = decodeMessage(message?.body ?? "");
  const [event] = await query<{ id: string; created: Date }>(fresh.database, "select id, created from event");
  expect(decoded.ok ? decoded.envelope : decoded).toMatchObject({
    message_id: messageId(installationId, "event", event?.id ?? ""),
    message_type: "EventCreated",
    timestamp: event?.created.toISOString(),
    payload: { trigger_ref: "demo.tick", payload: { n: 1 } },
  });
});

// Goal: the consumer of an enforcement knows what to do without reading the database.
// Method: by the time of the sweep the rule asks for something else.
test("a swept enforcement names the action and the parameters that its rule asked for when it matched", async () => {
  const transport = scriptedTransport();
  const [event] = await owe(1, instance);
  await insertRule(fresh.database, {
    ref: "demo.rule",
    triggerRef: "demo.tick",
    actionParams: { n: "{{ event.payload.n }}" },
  });
  const matcher = new RuleMatcher({
    database: fresh.database,
    rules: await openRuleSource({
      database: fresh.database,
      intervalMs: 60_000,
      logger: silentLogger,
      clock: systemClock,
      random: () => 0,
    }),
    installationId,
    // Of an agent that has died.
    outlet: { instance: randomUUID(), leave: () => {} },
  });
  const [{ id } = { id: "" }] = await query<{ id: string }>(fresh.database, "select id from event");
  await matcher.matchEvent(id);
  await query(fresh.database, "update rule set action_ref = 'core.other', action_params = '{}'");
  await query(fresh.database, "delete from outbox where body is not null or event is not null");
  await using _ = await start(transport);
  await expect.poll(() => transport.published.length, soon).toBe(1);

  const [message] = transport.published;
  const decoded = decodeMessage(message?.body ?? "");
  expect(decoded.ok ? decoded.envelope : decoded).toMatchObject({
    correlation_id: event?.messageId,
    payload: {
      rule_ref: "demo.rule",
      action: null,
      action_ref: "core.noop",
      config: { n: 1 },
      payload: { n: 1 },
    },
  });
  expect(message?.headers).toEqual({
    installation_id: installationId,
    trigger_ref: "demo.tick",
    rule_ref: "demo.rule",
    action_ref: "core.noop",
    pack_ref: "demo",
  });
});

test("changes of rules by plain SQL become messages in their order, from two agents too", async () => {
  await using transport = await openInProcess({ logger: silentLogger });
  const received = await collect(transport);
  await insertTrigger(fresh.database, "demo.tick");
  const instances = [instance, randomUUID()];
  for (const each of instances) await insertWorker(fresh.database, { name: each, instance: each });
  await using _first = await start(transport, { intervalMs: 5 });
  await using _second = await start(transport, { intervalMs: 5, instance: instances[1] ?? "" });

  await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  for (let n = 0; n < 20; n += 1) {
    await query(fresh.database, "update rule set enabled = not enabled");
  }
  await query(fresh.database, "delete from rule");

  const flips = Array.from({ length: 10 }, () => ["RuleDisabled", "RuleEnabled"]).flat();
  await expect
    .poll(() => received.map(({ type }) => type), soon)
    .toEqual(["RuleCreated", ...flips, "RuleDeleted"]);
});

test("an own message so old that an answer must have been lost is read back", async () => {
  await using transport = await openInProcess({ logger: silentLogger });
  const received = await collect(transport);
  await insertWorker(fresh.database, { name: "self", instance });
  await owe(2, instance);
  await query(
    fresh.database,
    "update outbox set created = now() - interval '2 minutes' where event = (select min(event) from outbox)",
  );
  await using _ = await start(transport);

  await expect.poll(owed, soon).toHaveLength(1);
  expect(received).toHaveLength(1);
});

test("waiting for confirms does not delay the end of the process", async () => {
  const transport = scriptedTransport();
  await owe(1, null);
  await using publishing = await start(transport);
  await expect.poll(() => transport.published.length, soon).toBe(1);

  await publishing.stop();

  expect(await owed()).toHaveLength(1);
});

test("a dead worker's messages pass to one heir, in order, and before those that the heir stores", async () => {
  const dead = randomUUID();
  await insertWorker(fresh.database, { name: "dead", instance: dead, leaseSeconds: 60 });
  const dying = await start(scriptedTransport(), { instance: dead });
  await expect.poll(owners, soon).toEqual([{ instance: dead, owner: dead }]);
  await dying.stop();
  const theirs = await owe(50, dead);
  await query(fresh.database, "update worker set lease_expires_at = now() - interval '1 second'");
  await insertWorker(fresh.database, { name: "self", instance, leaseSeconds: 60 });

  const transport = scriptedTransport();
  const publishing = prepare(transport, { pageLength: 10 });
  publishing.sweeper.putOthersFirst();
  const own = await owe(1, instance);
  publishing.publisher.send(own, []);
  await using _heir = publishing;
  await publishing.start();

  await expect
    .poll(() => {
      transport.confirmAll();
      return transport.ids();
    }, soon)
    .toEqual(idsOf([...theirs, ...own]));
  expect(await owners()).toContainEqual({ instance: dead, owner: instance });
});

test("a worker that cannot reach the broker leaves its messages to others, and takes them back when it can", async () => {
  const other = randomUUID();
  await insertWorker(fresh.database, { name: "self", instance, leaseSeconds: 60 });
  await insertWorker(fresh.database, { name: "other", instance: other, leaseSeconds: 60 });
  const cutOff = scriptedTransport();
  let aheadMs = 0;
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
  await using publishing = await start(cutOff, { clock });
  await expect.poll(owners, soon).toEqual([{ instance, owner: instance }]);
  const reaching = scriptedTransport();
  reaching.answer = async () => "routed";
  await using _other = await start(reaching, { instance: other });
  cutOff.state = "down";
  const first = await owe(1, instance);
  await sleep(200);
  expect(reaching.published).toEqual([]);

  aheadMs = 31_000;
  await expect.poll(() => reaching.ids(), soon).toEqual(idsOf(first));
  const second = await owe(1, instance);
  publishing.publisher.send(second, []);
  await expect.poll(() => reaching.ids(), soon).toEqual(idsOf([...first, ...second]));
  expect(cutOff.published).toEqual([]);
  // A worker that takes over a row before it is deleted publishes its message again, under the same id.
  await expect.poll(owed, soon).toEqual([]);

  cutOff.state = "up";
  await expect.poll(owners, soon).toContainEqual({ instance, owner: instance });
  await expect.poll(() => publishing.publisher.isBehind, soon).toBe(false);
  const third = await owe(1, instance);
  publishing.publisher.send(third, []);
  await expect.poll(() => cutOff.ids(), soon).toEqual(idsOf(third));
});

test("a worker that loses the broker while it reads back its own messages leaves them to others too", async () => {
  const other = randomUUID();
  await insertWorker(fresh.database, { name: "self", instance, leaseSeconds: 600 });
  await insertWorker(fresh.database, { name: "other", instance: other, leaseSeconds: 600 });
  const cutOff = scriptedTransport();
  let aheadMs = 0;
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
  await using publishing = await start(cutOff, { clock, inFlightMax: 2, pageLength: 2 });
  const messages = await owe(10, instance);
  publishing.publisher.leave(idsOf(messages));
  await expect.poll(() => publishing.publisher.inFlightCount, soon).toBe(2);
  const reaching = scriptedTransport();
  reaching.answer = async () => "routed";
  await using _other = await start(reaching, { instance: other });

  cutOff.state = "down";

  await expect
    .poll(() => {
      aheadMs += 1_000;
      return reaching.ids();
    }, soon)
    .toEqual(idsOf(messages));
});

// Goal: after an outage of the database for all, what a worker owes that is as alive as this one is left to it.
// Method: this worker's statements fail for longer than a lease, by its clock; by the time they succeed again the other's
// lease has run out, and is renewed or is not.
test.each([true, false])(
  "after an outage of the database an heir waits for a lease's time (the other renews its lease: %s)",
  async (isRenewed) => {
    const other = randomUUID();
    await insertWorker(fresh.database, { name: "self", instance, leaseSeconds: 600 });
    await insertWorker(fresh.database, { name: "other", instance: other, leaseSeconds: 600 });
    await query(fresh.database, "insert into outbox_owner (instance, owner) values ($1, $1)", [other]);
    const [theirs] = await owe(1, other);
    const leaseMs = 2_000;
    const seen = { aheadMs: 0, isCut: false, failures: 0, looks: 0 };
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + seen.aheadMs };
    const database = {
      ...fresh.database,
      query: async (statement: Query) => {
        if (seen.isCut) {
          seen.failures += 1;
          throw new Error("cut");
        }
        if (statement.name === "own_messages") seen.looks += 1;
        return await fresh.database.query(statement);
      },
    };
    const transport = scriptedTransport();
    await using _ = await start(transport, { database, clock, leaseMs });
    const looked = async (): Promise<void> => {
      const before = seen.looks;
      await expect.poll(() => seen.looks, soon).toBeGreaterThan(before + 2);
    };
    await looked();
    expect(transport.published).toEqual([]);

    seen.isCut = true;
    await expect.poll(() => seen.failures, soon).toBeGreaterThan(1);
    seen.aheadMs += 2 * leaseMs;
    await query(
      fresh.database,
      "update worker set lease_expires_at = now() - interval '1 second' where name = 'other'",
    );
    seen.isCut = false;
    await looked();
    expect(transport.published).toEqual([]);

    const renewed = "update worker set lease_expires_at = now() + interval '1 minute' where name = 'other'";
    if (isRenewed) await query(fresh.database, renewed);
    seen.aheadMs += leaseMs;
    await looked();
    if (!isRenewed) await expect.poll(() => transport.published.length, soon).toBe(1);
    expect(transport.ids()).toEqual(isRenewed ? [] : [theirs?.messageId]);
  },
);

// Goal: at rest a look for messages is one statement, and finds what nobody has told of.
// Method: count the statements of a sweeper that nothing wakes; then leave a message of a dead worker.
test("a look at an empty outbox is one statement", async () => {
  await insertWorker(fresh.database, { name: "self", instance, leaseSeconds: 600 });
  const dead = randomUUID();
  await query(fresh.database, "insert into outbox_owner (instance) values ($1)", [dead]);
  const sent: (string | undefined)[] = [];
  const database = {
    ...fresh.database,
    query: async (statement: Query) => {
      sent.push(statement.name);
      return await fresh.database.query(statement);
    },
  };
  const transport = scriptedTransport();
  await using _ = await start(transport, { database, intervalMs: 20 });
  // At the start, refused messages are counted once or twice.
  const looks = Array.from({ length: 6 }, () => "own_messages");
  await expect.poll(() => sent.slice(-looks.length), soon).toEqual(looks);

  const messages = await owe(2, dead);
  await expect.poll(() => transport.ids(), soon).toEqual(idsOf(messages));
});

// Goal: messages of an instance that no row knows, as of an agent of an earlier version, are found; rows of instances that
// owe nothing any more do not pile up.
// Method: ten minutes pass by the clock, an hour in the rows.
test("the review finds messages of unknown instances, and forgets old owners of none", async () => {
  const [done, recent, owing, late] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()] as const;
  await insertWorker(fresh.database, { name: "self", instance, leaseSeconds: 600 });
  await query(
    fresh.database,
    `insert into outbox_owner (instance, owner, since)
     select i, $1, now() - a from unnest($2::uuid[], $3::interval[]) as given (i, a)`,
    [instance, [instance, done, recent, owing], ["2 hours", "2 hours", "50 minutes", "2 hours"]],
  );
  const owned = await owe(1, owing);
  const transport = scriptedTransport();
  let aheadMs = 0;
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs };
  await using _ = await start(transport, { clock });

  await expect.poll(() => transport.ids(), soon).toEqual(idsOf(owned));
  const known = async (): Promise<string[]> =>
    (await query<{ instance: string }>(fresh.database, "select instance from outbox_owner")).map(
      (row) => row.instance,
    );
  const nobody = "00000000-0000-0000-0000-000000000000";
  expect((await known()).toSorted()).toEqual([nobody, instance, recent, owing].toSorted());

  const found = await owe(1, late);
  await sleep(200);
  expect(transport.ids()).toEqual(idsOf(owned));
  aheadMs = 601_000;
  await expect.poll(() => transport.ids(), soon).toEqual(idsOf([...owned, ...found]));
});

// Goal: a queue that has no room costs the queues beside it few repetitions, and loses nothing.
// Method: count how often each message is given to a broker that refuses all for a while.
test("refused messages are tried again one at a time and ever later, and all go out once they are taken", async () => {
  const transport = scriptedTransport();
  let isFull = true;
  transport.answer = async () => {
    if (isFull) throw new MessageRefusedError("a queue refuses it", { isFinal: false });
    return "routed";
  };
  await insertWorker(fresh.database, { name: "self", instance });
  await using publishing = await start(transport, {
    delays: { delayMsFirst: 100, delayMsMax: 400 },
  });
  const messages = await owe(600, instance);
  publishing.publisher.send(messages, []);
  await expect
    .poll(() => query(fresh.database, "select from outbox where refused is null"), soon)
    .toEqual([]);
  expect(transport.published).toHaveLength(600);
  await expect.poll(() => publishing.refused.counts().get("event.created")?.count, soon).toBe(600);
  await sleep(1_500);
  const repetitions = transport.published.length - 600;
  expect(repetitions).toBeGreaterThanOrEqual(1);
  // After 0.1, 0.2, 0.4 and then every 0.4 s.
  expect(repetitions).toBeLessThanOrEqual(6);

  isFull = false;
  await expect.poll(owed, soon).toEqual([]);
  expect(transport.published.length).toBe(600 + repetitions + 600);
  await expect.poll(() => publishing.refused.counts().size, { timeout: 15_000 }).toBe(0);
  expect(await publishing.metrics.text()).toContain(
    `attune_sensor_agent_messages_refused_total{routing_key="event.created"} ${600 + repetitions}`,
  );
});

test("a message that the broker can never accept is not retried soon, and blocks no other", async () => {
  const transport = scriptedTransport();
  await insertWorker(fresh.database, { name: "self", instance });
  const [tooLarge, ...others] = await owe(3, null);
  transport.answer = async (message) => {
    if (message.messageId !== tooLarge?.messageId) return "routed";
    throw new MessageRefusedError("larger than the broker takes", { isFinal: true });
  };
  await using publishing = await start(transport, { delays: { delayMsFirst: 10, delayMsMax: 20 } });

  await expect.poll(owed, soon).toMatchObject([{ refusals: 1, refusal: "larger than the broker takes" }]);
  await expect
    .poll(() => [...publishing.refused.counts()], soon)
    .toEqual([["event.created", { count: 1, finalCount: 1, reason: "larger than the broker takes" }]]);
  await sleep(300);
  expect(transport.ids().toSorted()).toEqual(
    idsOf([...(tooLarge === undefined ? [] : [tooLarge]), ...others]),
  );
  await query(fresh.database, "update outbox set refused = now() - interval '2 hours'");
  publishing.refused.note("event.created", "another one");
  await expect.poll(() => transport.published.length, soon).toBe(4);
});

test("more refused messages than fit on a page do not block those after them", async () => {
  const transport = scriptedTransport();
  await insertWorker(fresh.database, { name: "self", instance });
  const last = (await owe(501, null)).at(-1)?.messageId;
  const accepted: string[] = [];
  transport.answer = async ({ messageId: id }) => {
    if (id !== last) throw new MessageRefusedError("the queue is full", { isFinal: false });
    accepted.push(id);
    return "routed";
  };
  await using _ = await start(transport);

  await expect.poll(() => accepted, soon).toEqual([last]);
});

test("an undecodable outbox row blocks no other, and is reported", async () => {
  const transport = scriptedTransport();
  transport.answer = async () => "routed";
  const [good] = await owe(1, null);
  // Enforcements whose event and rule are gone, a body that is not an object, a body of another kind.
  await query(
    fresh.database,
    `with enforced as (
       insert into enforcement (rule_ref, trigger_ref) values ('demo.rule', 'demo.tick') returning id
     )
     insert into outbox (message_id, routing_key, enforcement, body)
     select gen_random_uuid(), 'enforcement.created', id, null::jsonb from enforced
     union all select gen_random_uuid(), 'rule.created', null, '17'
     union all select gen_random_uuid(), 'rule.created', null, '{"odd": true}'`,
  );
  const { logger, lines } = recordingLogger();
  await using publishing = await start(transport);
  const watch = new DeliveryWatch({ ...publishing, transport, logger, clock: systemClock });

  await expect
    .poll(() => query(fresh.database, "select from outbox where refused is not null"), soon)
    .toHaveLength(3);
  expect(transport.ids()).toEqual([good?.messageId]);
  await expect.poll(() => publishing.refused.counts().size, { timeout: 15_000 }).toBe(2);
  watch.look();
  expect(lines).toMatchObject([
    {
      level: "warn",
      message: expect.stringMatching(/enforcement\.created are refused: its row cannot be read/),
    },
    { level: "warn", message: expect.stringMatching(/rule\.created are refused: its row cannot be read/) },
  ]);
});

// Goal: a backlog of large messages does not take more memory than there is.
// Method: a broker that confirms slowly; look at what is in flight and at each page.
test("however large owed messages are, what is read and in flight is bounded in bytes", async () => {
  const transport = scriptedTransport();
  await insertTrigger(fresh.database, "demo.tick");
  await query(
    fresh.database,
    `with stored as (
       insert into event (trigger_ref, payload)
       select 'demo.tick', jsonb_build_object('text', repeat('x', 1000000)) from generate_series(1, 60)
       returning id
     )
     insert into outbox (message_id, routing_key, event, bytes)
     select gen_random_uuid(), 'event.created', id, 1000000 from stored`,
  );
  await using publishing = await start(transport);
  let bytesMax = 0;

  // Nothing is confirmed at first: as much is read as is to be in memory at most.
  await expect.poll(() => publishing.publisher.bytesInFlight, soon).toBeGreaterThan(16_000_000);
  await expect
    .poll(
      async () => {
        bytesMax = Math.max(bytesMax, publishing.publisher.bytesInFlight);
        transport.confirmAll();
        return await owed();
      },
      { timeout: 20_000, interval: 10 },
    )
    .toEqual([]);

  expect(transport.published).toHaveLength(60);
  // 16 MiB, and the page that began below that.
  expect(bytesMax).toBeLessThan(22_000_000);
});

// Goal: whatever is stored when, and however slowly the database and the broker answer, the messages of a kind go out
// in order of id, none is missing and none twice.
// Method: statements and confirms take random times; batches are stored in bursts, from memory and left, across outages.
test.each([1, 2, 3])("first deliveries are in order of id under random delays (%i)", async () => {
  const choices = seededRandom();
  const random = (): number => choices.next();
  const transport = scriptedTransport();
  transport.answer = async () => {
    await sleep(random() * 20);
    return "routed";
  };
  const { database } = fresh;
  const slow = <Q extends Pick<Database, "query">>(queryable: Q): Q => ({
    ...queryable,
    query: async (statement: Query) => {
      await sleep(random() * 10);
      const answer = await queryable.query(statement);
      await sleep(random() * 10);
      return answer;
    },
  });
  await insertWorker(database, { name: "self", instance, leaseSeconds: 120 });
  await using publishing = await start(transport, {
    database: { ...slow(database), relaxed: slow(database.relaxed) },
    inFlightMax: 20,
    pageLength: 15,
    intervalMs: 200,
  });
  const messages: OutgoingMessage[] = [];
  for (let batch = 0; batch < 120; batch += 1) {
    const stored = await owe(1 + Math.floor(random() * 12), instance);
    messages.push(...stored);
    if (random() < 0.3) await sleep(random() * 10);
    publishing.publisher.send(stored, []);
    if (random() < 0.1) transport.state = transport.state === "up" ? "down" : "up";
    if (random() < 0.05) publishing.sweeper.putOthersFirst();
    if (random() < 0.3) await sleep(random() * 40);
  }
  transport.state = "up";

  await expect.poll(owed, { timeout: 20_000 }).toEqual([]);

  expect(transport.ids()).toEqual(idsOf(messages));
});

// Goal: batches of several sources are committed in another order than that of their ids, also while a backlog is read;
// still no message waits until it is found by its age.
// Method: ids are drawn for two sources in turns; one is stored long before the other, so that reading is often past the
// ids of what is stored next.
test.each([1, 2])("a message of a lower id than those read before is read as well (%i)", async () => {
  const choices = seededRandom();
  const random = (): number => choices.next();
  const transport = scriptedTransport();
  transport.answer = async () => {
    await sleep(20 + random() * 20);
    return "routed";
  };
  await insertWorker(fresh.database, { name: "self", instance, leaseSeconds: 120 });
  await using publishing = await start(transport, { inFlightMax: 1, pageLength: 4 });
  const sent: OutgoingMessage[][] = [[], []];
  const drawn: OutgoingMessage[][][] = [[], []];
  for (let batch = 0; batch < 60; batch += 1) drawn[batch % 2]?.push(await drawIds(6));
  while (drawn.some((batches) => batches.length > 0)) {
    const isAhead = (drawn[1]?.length ?? 0) > 0;
    const source = random() < (isAhead ? 0.05 : 1) ? 0 : 1;
    const batch = drawn[source]?.shift() ?? [];
    await oweAgain(batch);
    publishing.publisher.send(batch, []);
    sent[source]?.push(...batch);
    await sleep(random() * (isAhead ? 5 : 40));
  }

  await expect.poll(owed, { timeout: 20_000 }).toEqual([]);

  for (const messages of sent) {
    const ids = new Set(idsOf(messages));
    expect(transport.ids().filter((id) => ids.has(id))).toEqual(idsOf(messages));
  }

  /** Messages whose ids are drawn, and which are not owed yet. */
  async function drawIds(count: number): Promise<OutgoingMessage[]> {
    const messages = await owe(count, instance);
    await query(fresh.database, "delete from outbox");
    return messages;
  }

  async function oweAgain(messages: readonly OutgoingMessage[]): Promise<void> {
    await query(
      fresh.database,
      `insert into outbox (message_id, routing_key, event, instance)
       select m, 'event.created', ('x' || right(m::text, 12))::bit(48)::bigint, $2 from unnest($1::uuid[]) as m`,
      [idsOf(messages), instance],
    );
  }
});

// Goal: a database that fails now and then while a backlog is read costs a short pause each time, no growing one.
// Method: every other page cannot be read.
test("pauses after failures do not grow while pages are read in between", async () => {
  const transport = scriptedTransport();
  transport.answer = async () => "routed";
  const { database } = fresh;
  let reads = 0;
  const failing = {
    ...database,
    query: async (statement: Query) => {
      const isOfEvents =
        statement.name === "read_owed_messages" && String(statement.values?.[3]).slice(14, 18) === "8001";
      if (isOfEvents && (reads += 1) % 2 === 0) throw new Error("cut");
      return await database.query(statement);
    },
  };
  const messages = await owe(8, null);
  await using _ = await start(transport, { database: failing, pageLength: 1, intervalMs: 60_000 });

  await expect.poll(owed, { timeout: 10_000 }).toEqual([]);

  expect(transport.ids()).toEqual(idsOf(messages));
  expect(reads).toBeGreaterThan(10);
});

// Goal: the last message about a rule describes its current state.
// Method: the transaction that began first changes the rule last.
test("messages about a rule come in the order of its changes, whenever their transactions began", async () => {
  const transport = scriptedTransport();
  await insertTrigger(fresh.database, "demo.tick");
  await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await query(fresh.database, "delete from outbox");
  const early = await fresh.connect();
  await early.query("begin; select now()");
  await query(fresh.database, "update rule set enabled = false");
  await early.query("update rule set enabled = true; commit");
  await using _ = await start(transport);

  await expect
    .poll(() => transport.published.map(({ type }) => type), soon)
    .toEqual(["RuleDisabled", "RuleEnabled"]);
});
