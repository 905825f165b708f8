/**
 * The agent's way of storing the rows of row-floor.ts: its pipeline with the rules of the database, as one worker of several.
 * Messages stay in the outbox, as there.
 *
 *     node pipeline-floor.ts DATABASE_URL SECONDS WHEN NAME [BATCH_ROWS [MORE_BYTES]] →
 *         {"count": …, "seconds": …, "processorSeconds": …}
 *
 * WHEN: the milliseconds since 1970 from which on it counts; until then it works, too.
 * MORE_BYTES: by how much the payload is larger than there.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { openPostgresql } from "../../../src/database/postgresql/postgresql.ts";
import { EventPipeline } from "../../../src/events/event-pipeline.ts";
import { ServerWatch } from "../../../src/events/server-watch.ts";
import type { EventSource } from "../../../src/model/sensors/incoming-event.ts";
import { openRuleSource } from "../../../src/rules/rule-source.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { createMetrics } from "../../../src/telemetry/metrics.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { insertSensor, insertWorker, query } from "../../support/platform-rows.ts";
import { floorPayload } from "./floor-payload.ts";

const [url = "", seconds = "", when = "", name = "", batchRows = "500", moreBytes = "0"] =
  process.argv.slice(2);
const more = "y".repeat(Number(moreBytes));
const inFlight = 2_000;
const instance = randomUUID();
const common = { logger: silentLogger, clock: systemClock, random: Math.random };

await using database = await openPostgresql({ url, logger: silentLogger, connectionsMax: 6 });
const workerId = await insertWorker(database, { name, instance });
const sensorRef = `bench.${name}`;
const sensorId = await insertSensor(database, { ref: sensorRef, triggerRef: "bench.line" });
await query(
  database,
  `insert into sensor_assignment (sensor, worker, instance, generation, lease_expires_at)
   values ($1, $2, $3, 1, now() + interval '1 hour')`,
  [sensorId, workerId, instance],
);
const [installation] = await query<{ id: string }>(database, "select id from installation");
const source: EventSource = { sensorId, sensorRef, sensorConfig: {}, term: { generation: "1", instance } };
const pipeline = new EventPipeline({
  ...common,
  database,
  server: new ServerWatch({ database, logger: silentLogger }),
  rules: await openRuleSource({ ...common, database, intervalMs: 120_000 }),
  outlet: { instance, send: () => {}, leave: () => {} },
  installationId: installation?.id ?? "",
  batchRowsMax: Number(batchRows),
  batchBytesMax: 1_000_000,
  batchesMax: 4,
  metrics: createMetrics({ version: "bench", withProcess: false }),
});
const ending = new AbortController();
const run = pipeline.run(ending.signal);

const beginsAtMs = performance.now() + Math.max(0, Number(when) - Date.now());
const endsAtMs = beginsAtMs + Number(seconds) * 1_000;
let [sequence, count] = [0, 0];
const emit = async (): Promise<void> => {
  while (performance.now() < endsAtMs) {
    const payload = JSON.parse(floorPayload(sequence++));
    if (more !== "") payload.more = more;
    await pipeline.accept({
      triggerRef: "bench.line",
      payload,
      source,
      triggerInstanceId: null,
      dedupKey: null,
      occurredAt: null,
      checkpoint: undefined,
    });
    if (performance.now() >= beginsAtMs) count += 1;
  }
};
const emitted = Promise.all(Array.from({ length: inFlight }, emit));
await delay(beginsAtMs - performance.now());
const processorBefore = process.cpuUsage();
await emitted;
const { user, system } = process.cpuUsage(processorBefore);
const spent = { seconds: (performance.now() - beginsAtMs) / 1_000, processorSeconds: (user + system) / 1e6 };
process.stdout.write(`${JSON.stringify({ count, ...spent })}\n`);
pipeline.close();
await run;
