/**
 * A bench for trying timers on: the real source and real rows, a clock that the test moves and sets, and an intake that
 * stores events in the database as the pipeline does: only while their assignment is held (statements/batches.ts), so an
 * event of a killed agent is stored before its successor takes over, or never.
 */
import { randomUUID } from "node:crypto";
import { settlesWithin } from "../../../src/concurrency/settles-within.ts";
import type { Query } from "../../../src/database/database.ts";
import type { Id } from "../../../src/model/identifiers.ts";
import type { JsonObject } from "../../../src/model/json/json.ts";
import type { AcceptOutcome } from "../../../src/model/sensors/incoming-event.ts";
import type { BuiltinSubmission, SourceContext } from "../../../src/sensors/sources/source.ts";
import { TimerSource } from "../../../src/sensors/sources/timers.ts";
import type { Clock } from "../../../src/time/clock.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { query } from "../../support/platform-rows.ts";
import { freshDatabase } from "../../support/postgres.ts";
import { recordingLogger } from "../../support/recording-logger.ts";

export interface StoredFire {
  readonly rule: string;
  /** Seconds after the bench was opened, by the slot; and by the clock when it fired. */
  readonly slot: number;
  readonly fired: number;
  readonly count: number;
  readonly payload: JsonObject;
}

export interface CursorRow {
  readonly execution_count: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly settled_until: Date;
  readonly problem: string | null;
  readonly entries: string;
}

interface SlotRow {
  readonly outcome: string;
  readonly reason: string | null;
  readonly slots: string;
  readonly first_scheduled_at: Date;
  readonly last_scheduled_at: Date;
}

/** As for the sensors of an agent, so that ten thousand events at once are no ten thousand statements at once. */
const underWayMax = 100;

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export async function timerBench() {
  const fresh = await freshDatabase();
  const { database } = fresh;
  // The rows have the database's clock, which is this machine's.
  const startMs = Math.ceil(Date.now() / 1_000) * 1_000;
  const base = fakeClock(startMs);
  let setByMs = 0;
  const clock: Clock = { ...base, nowMs: () => base.nowMs() + setByMs };
  const [sensor] = await query<{ id: Id }>(database, "select id from sensor where ref = 'core.timers'");
  const sensorId = sensor?.id ?? "";
  await query(
    database,
    "insert into worker (name, worker_type, worker_role, status) values ('w', 'local', 'sensor', 'active')",
  );
  await query(
    database,
    "insert into sensor_assignment (sensor, worker, generation) values ($1, (select max(id) from worker), 0)",
    [sensorId],
  );
  const { logger, lines } = recordingLogger();
  const log: string[] = [];
  const warnings: string[] = [];
  const late: number[] = [];
  const skipped: Record<string, number> = {};
  let generation = 0;
  async function stored({ event }: BuiltinSubmission, instance: string): Promise<AcceptOutcome> {
    const key = [event.triggerRef, "core.timers", event.dedupKey];
    const [row] = await query<{ id: Id | null; is_held: boolean }>(
      database,
      `with held as materialized (
         select sensor from sensor_assignment where instance = $7 for key share
       ), claimed as (
         insert into event_key (trigger_ref, source_ref, dedup_key, period, event)
         select $1, $2, $3, 0, nextval('event_id_seq') from held
             on conflict do nothing
         returning event
       ), stored as (
         insert into event (id, trigger_ref, source_ref, dedup_key, payload, rule_ref, occurred_at)
         select event, $1, $2, $3, $4, $5, $6 from claimed
         returning id)
       select (select id from stored) as id, exists (select from held) as is_held`,
      [...key, JSON.stringify(event.payload), event.triggerInstanceId, event.occurredAt, instance],
    );
    if (row?.is_held !== true) return { kind: "fenced" };
    if (row.id !== null) return { kind: "stored", eventId: row.id };
    const [first] = await query<{ id: Id }>(
      database,
      "select event as id from event_key where trigger_ref = $1 and source_ref = $2 and dedup_key = $3",
      key,
    );
    return { kind: "duplicate", eventId: first?.id ?? "" };
  }

  /** A worker that takes the timers over and runs them. */
  async function agent(
    options: {
      readonly isProgressLost?: boolean;
      /** Each event finds room only after that long on the bench's clock. */
      readonly roomMs?: number;
      /** The events of these slots are refused. */
      readonly refusedSlots?: readonly number[];
      /** The first statement of that name fails. */
      readonly failsOnce?: string;
    } = {},
  ) {
    const { roomMs, refusedSlots = [], failsOnce } = options;
    let hasFailed = false;
    const failsNow = (name: string | undefined): boolean => {
      if (hasFailed || failsOnce === undefined || name !== failsOnce) return false;
      hasFailed = true;
      return true;
    };
    generation += 1;
    const instance = randomUUID();
    await query(database, "update sensor_assignment set generation = $1, instance = $2", [
      generation,
      instance,
    ]);
    const stopping = new AbortController();
    const abandoned = new AbortController();
    let isKilled = false;
    let { isProgressLost = false } = options;
    const running = Promise.withResolvers<void>();
    let connected: PromiseWithResolvers<void> | undefined;
    let held: PromiseWithResolvers<void> | undefined;
    const underWay = new Set<Promise<void>>();
    const source = new TimerSource({
      database: databaseOf(
        database,
        ({ name }) =>
          isKilled ||
          connected !== undefined ||
          (isProgressLost && name === "write_timers") ||
          failsNow(name),
      ),
      sensorId,
      sensorRef: "core.timers",
      term: { generation: `${generation}`, instance },
      metrics: {
        timerFired: (seconds) => void late.push(seconds),
        timersSkipped: (reason, slots) => void (skipped[reason] = (skipped[reason] ?? 0) + slots),
      },
      logger,
      random: () => 0,
    });
    const store = async (submission: BuiltinSubmission): Promise<void> => {
      await held?.promise;
      const isRefused = refusedSlots.includes(seconds(submission.event.payload["scheduled_at"]));
      const outcome: AcceptOutcome = isRefused
        ? { kind: "refused", reason: "it is too large" }
        : await stored(submission, instance);
      if (!isKilled) submission.onOutcome(outcome);
    };
    const begin = (submission: BuiltinSubmission): Promise<void> => {
      const storing = store(submission).finally(() => underWay.delete(storing));
      underWay.add(storing);
      return storing;
    };
    /** As while the pipeline is full: there is room when the database answers again, and others are stored. */
    const beginLater = async (submission: BuiltinSubmission): Promise<boolean> => {
      await connected?.promise;
      while (underWay.size >= underWayMax) await Promise.race(underWay);
      if (!isKilled) void begin(submission);
      return !isKilled;
    };
    const context: SourceContext = {
      output: { take: () => true, flush: () => {} },
      submit(submission) {
        if (isKilled) return true;
        if (roomMs !== undefined) return base.sleep(roomMs).then(() => beginLater(submission));
        if (connected !== undefined || underWay.size >= underWayMax) return beginLater(submission);
        void begin(submission);
        return true;
      },
      checkpoint: () => Promise.resolve(undefined),
      clock,
      stopping: stopping.signal,
      abandoned: abandoned.signal,
      noteRunning: () => running.resolve(),
      noteObstacle: () => {},
      noteFacts: () => {},
      noteOutput: () => {},
      log: (added) => void log.push(...added),
      warn: (warning) => void warnings.push(warning),
    };
    const ended = source.run(context);
    // If it has to try again, it sleeps before.
    while (!(await settlesWithin(running.promise, 4))) if (hasFailed) await base.advance(100);
    return {
      source,
      async stop() {
        stopping.abort();
        await ended;
      },
      /** The database does not answer it, and so there is no room for events. */
      cutOff(): void {
        connected = Promise.withResolvers();
      },
      reconnect(): void {
        const again = connected;
        connected = undefined;
        again?.resolve();
      },
      /** The statements of its events do not arrive until then. */
      holdEvents(): void {
        held = Promise.withResolvers();
      },
      async releaseEvents(): Promise<void> {
        held?.resolve();
        held = undefined;
        await Promise.all(underWay);
      },
      /** It goes on, but how far it is does not reach the rows. */
      loseProgress(): void {
        isProgressLost = true;
      },
      /** Nothing of it reaches the rows any more. */
      async kill() {
        isKilled = true;
        abandoned.abort();
        stopping.abort();
        await ended;
      },
    };
  }

  const seconds = (at: unknown): number => (Date.parse(textOf(at)) - startMs) / 1_000;

  return {
    database,
    clock,
    log,
    warnings,
    lines,
    late,
    skipped,
    agent,

    /** Inserts a rule whose schedule begins when the bench was opened. */
    async rule(ref: string, triggerRef: string, params: JsonObject, beganSeconds = 0): Promise<Id> {
      const [row] = await query<{ id: Id }>(
        database,
        "insert into rule (ref, action_ref, trigger_ref, trigger_params) values ($1, 'core.noop', $2, $3) returning id",
        [ref, triggerRef, JSON.stringify(params)],
      );
      const id = row?.id ?? "";
      await query(database, "update timer_rule set schedule_since = $2 where rule = $1", [
        id,
        new Date(startMs + beganSeconds * 1_000),
      ]);
      return id;
    },

    sql: (text: string, values: unknown[] = []) => query(database, text, values),
    at: (afterSeconds: number): Date => new Date(startMs + afterSeconds * 1_000),

    /** Lets that many seconds pass, one after the other, while the agents work. */
    async pass(count: number): Promise<void> {
      for (let second = 0; second < count; second += 1) {
        await base.advance(1_000);
        // Statements need real time.
        await new Promise((resolve) => setTimeout(resolve, 4));
      }
    },
    /** Time in which nobody works. */
    skip: (count: number) => base.advance(count * 1_000),
    setClock(bySeconds: number): void {
      setByMs += bySeconds * 1_000;
    },

    async fires(rule?: string): Promise<StoredFire[]> {
      const rows = await query<{ payload: JsonObject }>(
        database,
        "select payload from event where source_ref = 'core.timers' order by payload ->> 'scheduled_at', id",
      );
      return rows
        .map(({ payload }) => ({
          rule: textOf(payload["rule_ref"]),
          slot: seconds(payload["scheduled_at"]),
          fired: seconds(payload["fired_at"]),
          count: Number(payload["execution_count"]),
          payload,
        }))
        .filter((fire) => rule === undefined || fire.rule === rule);
    },
    async cursor(ruleId: Id): Promise<CursorRow | undefined> {
      return (await query<CursorRow>(database, "select * from timer_cursor where rule = $1", [ruleId]))[0];
    },
    async slots(ruleId: Id): Promise<string[]> {
      const rows = await query<SlotRow>(
        database,
        "select * from timer_slot where rule = $1 order by number",
        [ruleId],
      );
      return rows.map(({ outcome, reason, slots, ...row }) => {
        const first = seconds(row.first_scheduled_at.toISOString());
        const last = seconds(row.last_scheduled_at.toISOString());
        const range = first === last ? `${first}` : `${first}..${last} (${slots})`;
        return reason === null ? `${outcome} ${range}` : `${outcome} ${reason} ${range}`;
      });
    },
    async [Symbol.asyncDispose]() {
      await fresh[Symbol.asyncDispose]();
    },
  };
}

type Fresh = Awaited<ReturnType<typeof freshDatabase>>["database"];

/** The database as seen by a process that may be dead, whose statements then do not arrive. */
function databaseOf(database: Fresh, isLost: (query: Query) => boolean): Fresh {
  const mortal = (queryable: Pick<Fresh, "query">): Pick<Fresh, "query"> => ({
    query: (statement) =>
      isLost(statement) ? Promise.reject(new Error("the agent is dead")) : queryable.query(statement),
  });
  return new Proxy(database, {
    get(target, property) {
      if (property === "query") return mortal(target).query;
      if (property === "relaxed") return mortal(target.relaxed);
      const value: unknown = Reflect.get(target, property, target);
      return value;
    },
  });
}
