/**
 * A sensor that counts, a rule on every tenth number, and a consumer: so that after any fault one look
 * tells whether something was lost or doubled.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import type { Database } from "../../src/database/database.ts";
import { agentFolder, type AgentFolder, type AgentSettings } from "./agent-process.ts";
import type { TopologyNames } from "../../src/messaging/topology.ts";
import type { Envelope } from "../../src/messaging/messages/envelope.ts";
import { VerificationReport } from "../../src/verification/verification-report.ts";
import { verify } from "../../src/verification/verify.ts";
import { collectMessages, type MessageCollector } from "./message-collector.ts";
import { insertRule, insertSensor, insertTrigger, query } from "./platform-rows.ts";
import { freshDatabase } from "./postgres.ts";
import { freshVhost } from "./rabbitmq.ts";

export interface CountingOptions {
  /** The test's own way to the database. */
  readonly database: Database;
  /** The agent's way, perhaps through a proxy. */
  readonly databaseUrl: string;
  /** The consumer's way to the broker. */
  readonly brokerUrl: string;
  /** The agent's way, if it is another. */
  readonly agentBrokerUrl?: string;
  /** Of the agents, beside the URLs: settings of these sections. */
  readonly settings?: Pick<AgentSettings, "database" | "messageQueue">;
  /** Of the exchanges, where the settings name others than the usual ones. */
  readonly names?: TopologyNames;
  /** The consumer's; default: one of the same name for all consumers of a virtual host. */
  readonly queue?: string;
  /** How fast the sensor counts; default: 20 lines every 5 ms. */
  readonly pace?: { readonly burst: number; readonly pauseMs: number };
}

export interface Counting extends AsyncDisposable {
  readonly database: Database;
  readonly collector: MessageCollector;
  /** A configuration for an agent of that name. */
  folder(workerName: string, sensor?: Readonly<Record<string, unknown>>): Promise<AgentFolder>;
  /** The last number whose line was committed. */
  lastNumber(): Promise<number>;
  /** Waits until more is committed. */
  progress(limitMs?: number): Promise<void>;
  /** Tells the sensor to stop counting and waits, as long as they get fewer, until no message is owed any more. */
  finish(): Promise<void>;
  /** Messages that arrived for the first time after one of a later event under the same routing key. */
  inversions(): number;
  /** Events and messages are exactly 1 … the last number, once each. Returns how many there are. */
  expectNothingLostOrDoubled(): Promise<Counted>;
}

export interface Counted {
  readonly events: number;
  readonly enforcements: number;
  /** Messages that were delivered more than once, under the same id. */
  readonly repetitions: number;
  /** The longest time from the commit of an event to the first delivery of one of its messages. */
  readonly delayMsMax: number;
}

export async function startCounting(options: CountingOptions): Promise<Counting> {
  const {
    database,
    databaseUrl,
    brokerUrl,
    agentBrokerUrl = brokerUrl,
    settings,
    names,
    queue,
    pace = { burst: 20, pauseMs: 5 },
  } = options;
  const folders = new AsyncDisposableStack();
  const collector = folders.use(
    await collectMessages(brokerUrl, ["event.#", "enforcement.#"], { names, queue }),
  );
  await insertTrigger(database, "fault.number");
  await insertSensor(database, {
    ref: "fault.counter",
    triggerRef: "fault.number",
    runtimeRef: "core.sensor.nodejs",
    entrypoint: "counter.mjs",
  });
  const folder: Counting["folder"] = async (workerName, sensor = {}) =>
    folders.use(
      await agentFolder({
        databaseUrl,
        brokerUrl: agentBrokerUrl,
        packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
        workerName,
        sensor,
        ...settings,
      }),
    );
  const enoughFile = join((await folder("unused")).path, "enough");
  await query(database, "update sensor set config = $1", [JSON.stringify({ enoughFile, ...pace })]);
  await insertRule(database, {
    ref: "fault.tenth",
    triggerRef: "fault.number",
    conditions: [{ field: "isTenth", operator: "equals", value: true }],
  });

  const lastNumber = async (): Promise<number> => {
    const [row] = await query<{ value: number }>(database, "select value from sensor_checkpoint");
    return row?.value ?? 0;
  };
  return {
    database,
    collector,
    folder,
    lastNumber,
    async progress(limitMs = 60_000) {
      const before = await lastNumber();
      await expect.poll(lastNumber, { timeout: limitMs, interval: 10 }).toBeGreaterThan(before);
    },
    async finish() {
      await writeFile(enoughFile, "");
      const isAllStored = async (): Promise<boolean> => {
        const last = await readFile(`${enoughFile}.last`, "utf8").catch(() => "");
        return last.split("\n").includes(`${await lastNumber()}`);
      };
      await expect.poll(isAllStored, { timeout: 60_000 }).toBe(true);
      await nothingIsOwed(database);
    },
    inversions: () => inversionsAmong(collector.messages.values()),
    expectNothingLostOrDoubled: () => expectExactly(database, collector, lastNumber),
    [Symbol.asyncDispose]: () => folders.disposeAsync(),
  };
}

/** On a database and a virtual host of their own, which end with them. */
export async function startCountingAfresh(options: Pick<CountingOptions, "pace"> = {}): Promise<Counting> {
  await using opened = new AsyncDisposableStack();
  const { database, url: databaseUrl } = opened.use(await freshDatabase());
  const { url: brokerUrl } = opened.use(await freshVhost());
  const counting = opened.use(await startCounting({ database, databaseUrl, brokerUrl, ...options }));
  const all = opened.move();
  return { ...counting, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** As long as there are fewer every time. */
async function nothingIsOwed(database: Database): Promise<void> {
  const countOwed = async (): Promise<number> => {
    const [row] = await query<{ count: number }>(database, "select count(*)::int from outbox");
    return row?.count ?? 0;
  };
  for (let before = await countOwed(); before > 0; before = await countOwed()) {
    // A database that crashed may have lost a deletion; the row is swept again when it is a minute old.
    await expect.poll(countOwed, { timeout: 120_000, interval: 200 }).toBeLessThan(before);
  }
}

/** As the command verify. */
async function verified(database: Database): Promise<object> {
  const report = new VerificationReport();
  const [installation] = await query<{ id: string }>(database, "select id from installation");
  const installationId = installation?.id ?? "";
  const { signal } = new AbortController();
  for await (const _ of verify({ database, installationId, report, isRepairing: false, signal }, null));
  return report.json();
}

async function expectExactly(
  database: Database,
  collector: MessageCollector,
  lastNumber: () => Promise<number>,
): Promise<Counted> {
  const last = await lastNumber();
  const events = await query<{ id: string; n: number }>(
    database,
    "select id, (payload->>'n')::int as n from event where trigger_ref = 'fault.number' order by n",
  );
  expect(last).toBeGreaterThan(0);
  expect(events.map(({ n }) => n)).toEqual(Array.from({ length: last }, (_, index) => index + 1));
  const enforcements = await query<{ id: string }>(database, "select id from enforcement");
  expect(enforcements).toHaveLength(Math.floor(last / 10));
  expect(await verified(database)).toMatchObject({ violations: 0, unprovable_events: 0, found: [] });

  await expect.poll(() => collector.messages.size, { timeout: 20_000 }).toBeGreaterThanOrEqual(last);
  const messages = [...collector.messages.values()];
  const eventIds = messages.flatMap((message) =>
    message.message_type === "EventCreated" && message.payload.trigger_ref === "fault.number"
      ? [message.payload.event_id]
      : [],
  );
  const enforcementIds = messages.flatMap((message) =>
    message.message_type === "EnforcementCreated" ? [message.payload.enforcement_id] : [],
  );
  const none = { missing: 0, phantom: 0, doubled: 0 };
  expect(differences(events, eventIds)).toEqual(none);
  expect(differences(enforcements, enforcementIds)).toEqual(none);
  return {
    events: events.length,
    enforcements: enforcements.length,
    repetitions: collector.repetitions(),
    delayMsMax: collector.delayMsMax(),
  };
}

/** Rows without a message, messages without a row, and messages under another id about the same row. */
function differences(
  rows: readonly { readonly id: string }[],
  announced: readonly (string | null)[],
): { readonly missing: number; readonly phantom: number; readonly doubled: number } {
  const stored = new Set(rows.map(({ id }) => id));
  const told = new Set(announced);
  return {
    missing: rows.filter(({ id }) => !told.has(id)).length,
    phantom: [...told].filter((id) => id === null || !stored.has(id)).length,
    doubled: announced.length - told.size,
  };
}

function inversionsAmong(messages: Iterable<Envelope>): number {
  const highest = new Map<string, bigint>();
  let inversions = 0;
  for (const message of messages) {
    const { message_type: type } = message;
    if (type !== "EventCreated" && type !== "EnforcementCreated") continue;
    if (message.payload.trigger_ref !== "fault.number" || message.payload.event_id === null) continue;
    const id = BigInt(message.payload.event_id);
    const known = highest.get(type) ?? 0n;
    if (id < known) inversions += 1;
    else highest.set(type, id);
  }
  return inversions;
}
