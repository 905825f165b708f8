/** A pipeline on a database of its own, with a trigger and a sensor that is assigned to this instance. */
import { randomUUID } from "node:crypto";
import type { Database, Queryable } from "../../src/database/database.ts";
import type { PostgresqlOptions } from "../../src/database/postgresql/postgresql.ts";
import { ConnectionError } from "../../src/database/errors.ts";
import type { MessageOutlet } from "../../src/events/batch-outcomes.ts";
import { EventPipeline, type EventPipelineOptions } from "../../src/events/event-pipeline.ts";
import { ServerWatch } from "../../src/events/server-watch.ts";
import type { OutgoingMessage } from "../../src/messaging/message-transport.ts";
import type { EventSource, IncomingEvent } from "../../src/model/sensors/incoming-event.ts";
import type { RuleSource } from "../../src/model/rules/rule-match.ts";
import { silentLogger, type Logger } from "../../src/telemetry/logger.ts";
import { createMetrics, type Metrics } from "../../src/telemetry/metrics.ts";
import { systemClock } from "../../src/time/clock.ts";
import { matchEverything } from "../support/match-everything.ts";
import { insertSensor, insertTrigger, insertWorker, query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";

/** What a rig needs of a database of its own. */
export type RigDatabase = Pick<FreshDatabase, "url" | "database" | "connect"> & AsyncDisposable;

export interface PipelineRig extends AsyncDisposable {
  readonly fresh: RigDatabase;
  readonly database: Database;
  readonly instance: string;
  readonly installationId: string;
  readonly source: EventSource;
  /** Another sensor on the same trigger, assigned to this instance. */
  addSensor(ref: string): Promise<EventSource>;
  start(options?: PipelineOptions): Promise<RunningPipeline>;
  tick(change?: Partial<IncomingEvent>): IncomingEvent;
  countOf(table: string): Promise<number>;
}

export interface PipelineOptions {
  readonly database?: Queryable;
  readonly outlet?: Partial<MessageOutlet>;
  readonly rules?: RuleSource;
  readonly logger?: Logger;
  readonly onFenced?: (source: EventSource) => void;
  readonly onCommitted?: EventPipelineOptions["onCommitted"];
}

export interface RunningPipeline extends AsyncDisposable {
  readonly pipeline: EventPipeline;
  readonly sent: OutgoingMessage[];
  /** Ids of messages that were left to be read from the outbox. */
  readonly left: ReadonlySet<string>;
  readonly metrics: Metrics;
}

/** @param options of its connections; batches need four of them at once */
export async function openRig(options: Partial<PostgresqlOptions> = {}): Promise<PipelineRig> {
  return await openRigOn(await freshDatabase(options));
}

/** The rig closes the database with itself. */
export async function openRigOn(fresh: RigDatabase): Promise<PipelineRig> {
  const { database } = fresh;
  const instance = randomUUID();
  await insertTrigger(database, "demo.tick");
  const workerId = await insertWorker(database, { name: "w1", instance });

  const addSensor = async (ref: string): Promise<EventSource> => {
    const sensorId = await insertSensor(database, { ref, triggerRef: "demo.tick" });
    await query(
      database,
      `insert into sensor_assignment (sensor, worker, instance, generation, lease_expires_at)
       values ($1, $2, $3, 1, now() + interval '1 hour')`,
      [sensorId, workerId, instance],
    );
    const sensorConfig = { path: "/x" };
    return { sensorId, sensorRef: ref, sensorConfig, term: { generation: "1", instance } };
  };
  const source = await addSensor("demo.sensor");
  const [installation] = await query<{ id: string }>(database, "select id from installation");
  const installationId = installation?.id ?? "";

  return {
    fresh,
    database,
    instance,
    installationId,
    source,
    addSensor,
    start: (options = {}) => startPipeline(database, { instance, installationId }, options),
    tick: (change = {}) => ({
      triggerRef: "demo.tick",
      payload: { n: 1 },
      source,
      triggerInstanceId: null,
      dedupKey: null,
      occurredAt: null,
      checkpoint: undefined,
      ...change,
    }),
    async countOf(table) {
      const text = `select count(*)::text as count from ${table}`;
      const [row] = await query<{ count: string }>(database, text);
      return Number(row?.count);
    },
    [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
  };
}

async function startPipeline(
  own: Database,
  { instance, installationId }: { readonly instance: string; readonly installationId: string },
  { database = own, outlet, rules, logger = silentLogger, onFenced = () => {}, onCommitted }: PipelineOptions,
): Promise<RunningPipeline> {
  const sent: OutgoingMessage[] = [];
  const left = new Set<string>();
  const metrics = createMetrics({ version: "test", withProcess: false });
  const pipeline = new EventPipeline({
    database,
    server: new ServerWatch({ database, logger: silentLogger }),
    rules: rules ?? (await matchEverything(own)),
    outlet: {
      instance,
      send: (messages) => sent.push(...messages),
      leave: (messageIds) => messageIds.forEach((id) => left.add(id)),
      ...outlet,
    },
    installationId,
    batchRowsMax: 100,
    batchBytesMax: 1_000_000,
    batchesMax: 4,
    onFenced,
    ...(onCommitted && { onCommitted }),
    metrics,
    logger,
    clock: systemClock,
    random: () => 0,
  });
  const abandon = new AbortController();
  const run = pipeline.run(abandon.signal);
  return {
    pipeline,
    sent,
    left,
    metrics,
    async [Symbol.asyncDispose]() {
      pipeline.close();
      await run;
    },
  };
}

/** Loses the answers of the statement of that name, after or before it was carried out. */
export function losingAnswers(database: Database, name: string, losses: ("before" | "after")[]): Queryable {
  return {
    async query(statement) {
      const loss = statement.name?.startsWith(name) === true ? losses.shift() : undefined;
      if (loss === "before") throw new ConnectionError("cut", "unknown");
      const result = await database.query(statement);
      if (loss === "after") throw new ConnectionError("cut", "unknown");
      return result;
    },
  };
}
