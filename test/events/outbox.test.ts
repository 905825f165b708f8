import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { OutboxSweeper } from "../../src/events/outbox-sweeper.ts";
import { Publisher } from "../../src/events/publisher.ts";
import { openInProcess } from "../../src/messaging/in-process.ts";
import { decodeMessage } from "../../src/messaging/envelope.ts";
import type { MessageTransport, OutgoingMessage } from "../../src/messaging/message-transport.ts";
import { messageId } from "../../src/model/identifiers.ts";
import { RuleMatcher } from "../../src/rules/rule-matcher.ts";
import { openRuleSource } from "../../src/rules/rule-source.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { systemClock } from "../../src/time/clock.ts";
import { insertRule, insertTrigger, insertWorker, query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const soon = { timeout: 5_000, interval: 10 };

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

function parts(): Omit<ConstructorParameters<typeof OutboxSweeper>[0], "transport" | "intervalMs"> {
  const metrics = createMetrics({ version: "test", withProcess: false });
  const { database } = fresh;
  return {
    database,
    instance,
    installationId,
    metrics,
    logger: silentLogger,
    clock: systemClock,
    random: () => 0,
  };
}

/** Sweeps until told to stop. */
function startSweeper(transport: MessageTransport): { stopping: AbortController; run: Promise<void> } {
  const sweeper = new OutboxSweeper({ ...parts(), transport, intervalMs: 50 });
  const stopping = new AbortController();
  return { stopping, run: sweeper.run(stopping.signal) };
}

/** A transport whose confirms the test gives. */
interface HandConfirmedTransport extends MessageTransport {
  confirmAll(): void;
  readonly published: OutgoingMessage[];
  state: "up" | "down";
}

function confirmedByHand(): HandConfirmedTransport {
  const waiting: (() => void)[] = [];
  return {
    kind: "in-process",
    address: "test",
    state: "up",
    published: [],
    publish(message) {
      this.published.push(message);
      return new Promise((resolve) => waiting.push(resolve));
    },
    confirmAll() {
      for (const confirm of waiting.splice(0)) confirm();
    },
    connected: async () => {},
    subscribe: () => Promise.reject(new Error("nobody subscribes")),
    health() {
      return { state: this.state, detail: "", checkedAtMs: 0 };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

async function owe(count: number, owner: string | null): Promise<OutgoingMessage[]> {
  await insertTrigger(fresh.database, "demo.tick").catch(() => {});
  const rows = await query<{ id: string }>(
    fresh.database,
    "insert into event (trigger_ref, payload) select 'demo.tick', '{\"n\": 1}' from generate_series(1, $1) returning id",
    [count],
  );
  return await Promise.all(
    rows.map(async ({ id }) => {
      const ownId = messageId(installationId, "event", id);
      await query(
        fresh.database,
        "insert into outbox (message_id, routing_key, event, instance) values ($1, 'event.created', $2, $3)",
        [ownId, id, owner],
      );
      return {
        exchange: "attune.events",
        routingKey: "event.created",
        messageId: ownId,
        correlationId: ownId,
        type: "EventCreated",
        timestampMs: 0,
        body: "{}",
      };
    }),
  );
}

const outboxIsEmpty = (): Promise<object[]> => query(fresh.database, "select * from outbox");

test("a message is forgotten only after its confirm", async () => {
  const transport = confirmedByHand();
  const publisher = new Publisher({ ...parts(), transport, inFlightMax: 10 });
  const stopping = new AbortController();
  const run = publisher.run(stopping.signal);
  const messages = await owe(3, instance);

  publisher.send(messages, [0, 0, 0]);
  await sleep(50);
  expect(await outboxIsEmpty()).toHaveLength(3);
  transport.confirmAll();

  await expect.poll(outboxIsEmpty, soon).toEqual([]);
  stopping.abort();
  await run;
});

test("a batch is left to the sweeper while too many messages are unconfirmed or the broker is down", async () => {
  const transport = confirmedByHand();
  const publisher = new Publisher({ ...parts(), transport, inFlightMax: 2 });
  publisher.send(await owe(2, instance), [0, 0]);
  expect(publisher.publisherInstance()).toBeNull();

  transport.confirmAll();
  await expect.poll(() => publisher.publisherInstance(), soon).toBe(instance);

  transport.state = "down";
  expect(publisher.publisherInstance()).toBeNull();
});

test("what is not confirmed at the end of the process is left to others", async () => {
  const transport = confirmedByHand();
  const publisher = new Publisher({ ...parts(), transport, inFlightMax: 10 });
  publisher.send(await owe(1, instance), [0]);

  await publisher.drain(AbortSignal.timeout(50));

  expect(await query(fresh.database, "select instance from outbox")).toEqual([{ instance: null }]);
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
  const { stopping, run } = startSweeper(transport);

  await expect
    .poll(() => new Set(received.map(({ id }) => id)), soon)
    .toEqual(new Set(orphans.map((message) => message.messageId)));
  await expect
    .poll(() => query(fresh.database, "select message_id from outbox"), soon)
    .toEqual([{ message_id: theirs[0]?.messageId }]);
  stopping.abort();
  await run;
});

test("a swept message is the one that its process would have sent", async () => {
  const transport = confirmedByHand();
  await owe(1, null);
  const { stopping, run } = startSweeper(transport);
  await expect.poll(() => transport.published.length, soon).toBe(1);
  transport.confirmAll();
  stopping.abort();
  await run;

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
  const transport = confirmedByHand();
  const [event] = await owe(1, instance);
  await insertRule(fresh.database, {
    ref: "demo.rule",
    triggerRef: "demo.tick",
    actionParams: { n: "{{ event.payload.n }}" },
  });
  const matcher = new RuleMatcher({
    database: fresh.database,
    rules: await openRuleSource({ ...parts(), intervalMs: 60_000 }),
    installationId,
  });
  const [{ id } = { id: "" }] = await query<{ id: string }>(fresh.database, "select id from event");
  await matcher.matchEvent(id);
  await query(fresh.database, "update rule set action_ref = 'core.other', action_params = '{}'");
  await query(fresh.database, "delete from outbox where body is not null or event is not null");
  const { stopping, run } = startSweeper(transport);
  await expect.poll(() => transport.published.length, soon).toBe(1);
  stopping.abort();
  await run;

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
  const sweepers = instances.map(
    (each) => new OutboxSweeper({ ...parts(), instance: each, transport, intervalMs: 5 }),
  );
  const stopping = new AbortController();
  const runs = sweepers.map((sweeper) => sweeper.run(stopping.signal));

  await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  for (let n = 0; n < 20; n += 1) {
    await query(fresh.database, "update rule set enabled = not enabled");
  }
  await query(fresh.database, "delete from rule");

  const flips = Array.from({ length: 10 }, () => ["RuleDisabled", "RuleEnabled"]).flat();
  await expect
    .poll(() => received.map(({ type }) => type), soon)
    .toEqual(["RuleCreated", ...flips, "RuleDeleted"]);
  stopping.abort();
  await Promise.all(runs);
});

test("an own message so old that an answer must have been lost is swept again", async () => {
  await using transport = await openInProcess({ logger: silentLogger });
  const received = await collect(transport);
  await insertWorker(fresh.database, { name: "self", instance });
  await owe(2, instance);
  await query(
    fresh.database,
    "update outbox set created = now() - interval '2 minutes' where event = (select min(event) from outbox)",
  );
  const { stopping, run } = startSweeper(transport);

  await expect.poll(outboxIsEmpty, soon).toHaveLength(1);
  expect(received).toHaveLength(1);
  stopping.abort();
  await run;
});

test("a sweep that waits for a broker that went away does not hold up the end of the process", async () => {
  const transport = confirmedByHand();
  await owe(1, null);
  const { stopping, run } = startSweeper(transport);
  await expect.poll(() => transport.published.length, soon).toBe(1);

  stopping.abort();
  await run;

  expect(await outboxIsEmpty()).toHaveLength(1);
});

test("a message that the broker refuses for good is told of once, and does not make the sweeper spin", async () => {
  const transport = confirmedByHand();
  let refusals = 0;
  transport.publish = () => {
    refusals += 1;
    return Promise.reject(new Error("larger than the broker takes"));
  };
  await insertWorker(fresh.database, { name: "self", instance });
  await owe(1, null);
  // From now on it is its claimant's own and old.
  await query(fresh.database, "update outbox set created = now() - interval '2 minutes'");
  const { logger, lines } = recordingLogger();
  const sweeper = new OutboxSweeper({ ...parts(), logger, transport, intervalMs: 200 });
  const stopping = new AbortController();
  const run = sweeper.run(stopping.signal);
  const startMs = performance.now();

  await expect.poll(() => refusals, soon).toBeGreaterThanOrEqual(3);

  expect(performance.now() - startMs).toBeGreaterThan(300);
  expect(lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  stopping.abort();
  await run;
});

test("more refused messages than one page holds do not hold up those behind them", async () => {
  const transport = confirmedByHand();
  await insertWorker(fresh.database, { name: "self", instance });
  const ids = (await owe(501, instance)).map(({ messageId: id }) => id).toSorted();
  await query(fresh.database, "update outbox set created = now() - interval '2 minutes'");
  const accepted: string[] = [];
  transport.publish = async ({ messageId: id }) => {
    if (id !== ids.at(-1)) throw new Error("the queue is full");
    accepted.push(id);
    return Promise.resolve();
  };
  const { stopping, run } = startSweeper(transport);

  await expect.poll(() => accepted, soon).toEqual([ids.at(-1)]);
  stopping.abort();
  await run;
});

test("an outbox row that nobody can read holds up none of the others", async () => {
  const transport = confirmedByHand();
  const [good] = await owe(1, null);
  // Enforcements of which event and rule are gone, a body that is no object, a body of another kind.
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
  const published: string[] = [];
  transport.publish = ({ messageId: id }) => {
    published.push(id);
    return Promise.resolve();
  };
  const { logger, lines } = recordingLogger();
  const sweeper = new OutboxSweeper({ ...parts(), logger, transport, intervalMs: 50 });
  const stopping = new AbortController();
  const run = sweeper.run(stopping.signal);

  await expect.poll(outboxIsEmpty, soon).toHaveLength(3);
  expect(published).toEqual([good?.messageId]);
  await expect.poll(() => lines, soon).toMatchObject([{ level: "warn", fields: { messages: 3 } }]);
  stopping.abort();
  await run;
});

// Goal: whoever keeps only the last message about a rule knows how it is.
// Method: the transaction that began first changes the rule last.
test("messages about a rule come in the order of its changes, whenever their transactions began", async () => {
  const transport = confirmedByHand();
  await insertTrigger(fresh.database, "demo.tick");
  await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await query(fresh.database, "delete from outbox");
  const early = await fresh.connect();
  await early.query("begin; select now()");
  await query(fresh.database, "update rule set enabled = false");
  await early.query("update rule set enabled = true; commit");
  const { stopping, run } = startSweeper(transport);

  await expect
    .poll(() => transport.published.map(({ type }) => type), soon)
    .toEqual(["RuleDisabled", "RuleEnabled"]);
  stopping.abort();
  await run;
});
