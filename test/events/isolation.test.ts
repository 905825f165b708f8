/** The problems of one source cost it its own batches, and not those of others. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Queryable } from "../../src/database/database.ts";
import type { EventSource } from "../../src/model/sensors/incoming-event.ts";
import { query } from "../support/platform-rows.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { sentBatch } from "./model-database.ts";
import { openRig, type PipelineRig, type RunningPipeline } from "./pipeline-rig.ts";

let rig: PipelineRig;

beforeEach(async () => {
  rig = await openRig({ queryTimeoutMs: 1_500 });
  await query(rig.database, "alter table event add constraint odd check (payload ->> 'poison' is null)");
  await query(
    rig.database,
    `create function delay_event() returns trigger language plpgsql as $$
     begin
       perform pg_sleep((new.payload ->> 'delay')::float8);
       return new;
     end $$`,
  );
  await query(
    rig.database,
    `create trigger event_is_delayed before insert on event for each row
       when (new.payload ->> 'delay' is not null) execute function delay_event()`,
  );
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

interface Statement {
  readonly sensors: ReadonlySet<string>;
  readonly eventCount: number;
  isOver: boolean;
}

/** Records the events of each storing statement. */
function noting(statements: Statement[]): Queryable {
  return {
    async query(asked) {
      if (asked.name?.startsWith("store_batch") !== true) return rig.database.query(asked);
      const { events, sources } = sentBatch(asked.name, asked.values ?? []);
      const sensors = sources.map((source) => source.sensor_ref);
      const statement = { sensors: new Set(sensors), eventCount: events.length, isOver: false };
      statements.push(statement);
      try {
        return await rig.database.query(asked);
      } finally {
        statement.isOver = true;
      }
    },
  };
}

/** As fast as it can, with that many events in flight, until stopped. */
async function flood(
  { pipeline }: RunningPipeline,
  source: EventSource,
  signal: AbortSignal,
): Promise<number> {
  let stored = 0;
  const emit = async (): Promise<void> => {
    while (!signal.aborted) {
      await pipeline.accept(rig.tick({ source }));
      stored += 1;
    }
  };
  await Promise.all(Array.from({ length: 300 }, emit));
  return stored;
}

// Goal: the guarantee of fairness that event-pipeline.ts states.
// Method: one sensor at full speed, one with an event that never ends within the statement's limit, one with
// thousands of events that the database rejects, and one slow sensor. Batches are counted: for each event of the slow
// one, those that were begun before it was stored, and who else was in its own.
test("a slow sensor's event is in the next batch but one, beside a fast, a stuck and a poisoned sensor", async () => {
  const statements: Statement[] = [];
  await using running = await rig.start({ database: noting(statements) });
  const { pipeline } = running;
  const [fast, stuck, poisoned, slow] = await Promise.all(
    ["demo.fast", "demo.stuck", "demo.poisoned", "demo.slow"].map((ref) => rig.addSensor(ref)),
  );
  if (fast === undefined || stuck === undefined || poisoned === undefined || slow === undefined) return;
  const end = new AbortController();
  const flooding = flood(running, fast, end.signal);
  const sticking = pipeline
    .accept(rig.tick({ source: stuck, payload: { delay: 3_600 } }))
    .catch(() => "abandoned");
  const poisoning = Promise.all(
    Array.from({ length: 2_000 }, (_, n) =>
      pipeline.accept(rig.tick({ source: poisoned, payload: { poison: n } })),
    ),
  );
  // The first failure of each is in a batch with others.
  await expect
    .poll(
      () =>
        statements.some(({ sensors, isOver }) => isOver && sensors.size === 1 && sensors.has("demo.stuck")),
      {
        timeout: 20_000,
      },
    )
    .toBe(true);

  const waits: number[] = [];
  for (let n = 0; n < 100; n += 1) {
    const begun = statements.filter(({ sensors }) => !isOfTrouble(sensors)).length;
    expect(await pipeline.accept(rig.tick({ source: slow }))).toMatchObject({ kind: "stored" });
    const own = statements.findLastIndex(({ sensors }) => sensors.has("demo.slow"));
    const before = statements.slice(0, own).filter(({ sensors }) => !isOfTrouble(sensors)).length;
    waits.push(before - begun);
  }

  end.abort();
  expect(Math.max(...waits)).toBeLessThanOrEqual(2);
  expect(await flooding).toBeGreaterThan(1_000);
  const refused = await poisoning;
  expect(new Set(refused.map(({ kind }) => kind))).toEqual(new Set(["refused"]));
  const mixed = statements.filter(({ sensors }) => sensors.has("demo.slow") && isOfTrouble(sensors));
  expect(mixed).toEqual([]);
  await query(rig.database, "drop trigger event_is_delayed on event");
  expect(await sticking).toMatchObject({ kind: "stored" });
}, 120_000);

function isOfTrouble(sensors: ReadonlySet<string>): boolean {
  return sensors.has("demo.stuck") || sensors.has("demo.poisoned");
}

test("thousands of events that the database rejects cost one statement each, none of another sensor's", async () => {
  const statements: Statement[] = [];
  await using running = await rig.start({ database: noting(statements) });
  const { pipeline } = running;
  const [poisoned, healthy] = [await rig.addSensor("demo.poisoned"), await rig.addSensor("demo.healthy")];

  const poisoning = Promise.all(
    Array.from({ length: 3_000 }, (_, n) =>
      pipeline.accept(rig.tick({ source: poisoned, payload: { poison: n } })),
    ),
  );
  for (let n = 0; n < 300; n += 1) await pipeline.accept(rig.tick({ source: healthy, payload: { n } }));

  const refused = await poisoning;
  expect(refused.every(({ kind }) => kind === "refused")).toBe(true);
  const withHealthy = statements.filter(({ sensors }) => sensors.has("demo.healthy"));
  // At most the one batch in which the first poisoned events met a healthy one, and that healthy event again.
  expect(withHealthy.length).toBeLessThanOrEqual(301);
  expect(statements.length - withHealthy.length).toBeLessThan(3_000 + 20);
}, 120_000);

// Goal: a batch that may have failed because of its size is not repeated unchanged.
test("a batch whose statement takes too long is halved, and its events are stored in order", async () => {
  const statements: Statement[] = [];
  await using running = await rig.start({ database: noting(statements) });

  const outcomes = await Promise.all(
    Array.from({ length: 16 }, (_, n) => running.pipeline.accept(rig.tick({ payload: { n, delay: 0.15 } }))),
  );

  expect(outcomes.every(({ kind }) => kind === "stored")).toBe(true);
  const sizes = statements.map(({ eventCount }) => eventCount);
  expect(sizes.filter((size) => size === 16)).toHaveLength(1);
  expect(sizes).toContain(8);
  const rows = await query<{ n: number }>(
    rig.database,
    "select (payload ->> 'n')::int as n from event order by id",
  );
  expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 16 }, (_, n) => n));
}, 60_000);

test("a single event that takes too long is retried while all other sensors continue, and this is logged once", async () => {
  const { logger, lines } = recordingLogger();
  const statements: Statement[] = [];
  await using running = await rig.start({ database: noting(statements), logger });
  const { pipeline } = running;
  const healthy = await rig.addSensor("demo.healthy");

  const outcomes: string[] = [];
  const note = async (payload: { readonly delay?: number; readonly after?: number }): Promise<void> => {
    outcomes.push((await pipeline.accept(rig.tick({ payload }))).kind);
  };
  const [stuck, after] = [note({ delay: 3_600 }), note({ after: 1 })];
  await expect
    .poll(() => statements.filter(({ sensors, isOver }) => isOver && sensors.has("demo.sensor")).length, {
      timeout: 20_000,
    })
    .toBeGreaterThanOrEqual(3);
  for (let n = 0; n < 20; n += 1)
    expect(await pipeline.accept(rig.tick({ source: healthy }))).toMatchObject({ kind: "stored" });

  expect(outcomes).toEqual([]);
  await query(rig.database, "drop trigger event_is_delayed on event");
  await Promise.all([stuck, after]);
  expect(outcomes).toEqual(["stored", "stored"]);
  await expect.poll(() => lines.length).toBe(2);
  expect(lines.map(({ level, fields }) => [level, Reflect.get(fields, "sensor_ref")])).toEqual([
    ["warn", "demo.sensor"],
    ["info", "demo.sensor"],
  ]);
}, 60_000);

// The embedded database does so for some values that it cannot take.
test("an event that gets no answer from the database is refused alone", async () => {
  const database: Queryable = {
    query(asked) {
      const isUnanswered =
        asked.name?.startsWith("store_batch") === true && asked.values?.join().includes('"n":13') === true;
      return isUnanswered ? Promise.resolve({ rows: [] }) : rig.database.query(asked);
    },
  };
  await using running = await rig.start({ database });

  const outcomes = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      running.pipeline.accept(rig.tick({ payload: { n }, checkpoint: n })),
    ),
  );

  expect(outcomes.flatMap(({ kind }, n) => (kind === "stored" ? [] : [[n, kind]]))).toEqual([
    [13, "refused"],
  ]);
  expect(await rig.countOf("event")).toBe(39);
  expect(await query(rig.database, "select value from sensor_checkpoint")).toEqual([{ value: 39 }]);
});
