/** Why a sensor reports no event: the first line, for each thing that can be in its way. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { SnapshotReads } from "../../src/database/snapshot-reads.ts";
import { explainSensor, readSensorFacts, type LocalFacts } from "../../src/diagnosis/sensor-explanation.ts";
import { FencedEvents } from "../../src/events/fenced-events.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { openRig, type PipelineRig } from "../events/pipeline-rig.ts";
import { insertRule, insertSensor, insertTrigger, query } from "../support/platform-rows.ts";

let rig: PipelineRig;

beforeAll(async () => {
  rig = await openRig();
  await query(rig.database, "update sensor_assignment set claimed_at = now() - interval '1 minute'");
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

const nowhere: LocalFacts = { stalledSeconds: undefined, deafSeconds: undefined };

/** Without ages. */
async function explain(ref: string, log: readonly string[] = [], local = nowhere) {
  const facts = await new SnapshotReads(rig.database).read((rows) => readSensorFacts(rows, ref));
  const explanation = explainSensor(ref, facts, log, local);
  return { ...explanation, answer: explanation.answer.replaceAll(/\d+ s ago/g, "just now") };
}

async function report(status: string, columns = ""): Promise<void> {
  await query(
    rig.database,
    `insert into sensor_process (sensor, worker, status, pid, failures, started_at, updated, exit_code, reason,
                                 stderr_excerpt, next_restart_at)
     select sensor, worker, $1, 17, 2, now(), now(), 3, 'it exited with code 3', 'boom', now() + interval '8 s'
       from sensor_assignment where sensor = $2
     on conflict (sensor) do update set status = excluded.status ${columns}`,
    [status, rig.source.sensorId],
  );
}

test("no sensor of that name, one without rules, a disabled one, and one that no worker can run", async () => {
  await insertTrigger(rig.database, "idle.t");
  await insertSensor(rig.database, { ref: "idle.sensor", triggerRef: "idle.t" });

  expect((await explain("idle.senso")).answer).toBe(
    "there is no sensor idle.senso; did you mean idle.sensor?",
  );
  expect((await explain("idel.sensor")).answer).toBe(
    "there is no sensor idel.sensor; did you mean idle.sensor?",
  );
  expect((await explain("idle.sensor")).answer).toBe(
    "idle.sensor does not run: no enabled rule needs its events (no rule uses its trigger idle.t)",
  );
  await query(rig.database, "update sensor set enabled = false where ref = 'idle.sensor'");
  expect((await explain("idle.sensor")).answer).toBe("idle.sensor does not run: it is disabled");
  await query(
    rig.database,
    "update sensor set enabled = true, runtime_ref = 'p.cobol' where ref = 'idle.sensor'",
  );
  await insertRule(rig.database, { ref: "idle.rule", triggerRef: "idle.t" });
  expect((await explain("idle.sensor")).answer).toMatch(/^idle\.sensor cannot run: .*p\.cobol/);
});

test("a failing sensor is explained with its exit and its last lines", async () => {
  await report("backoff");

  const { answer, notes, state } = await explain("demo.sensor");
  expect(answer).toMatch(
    /^demo\.sensor failed on worker w1: it exited with code 3; 2 failures in a row, it will be/,
  );
  expect(notes).toContain("boom");
  expect(state).toBe("wrong");
});

test("a running sensor: no event yet, rejected output, held up, and its last event", async () => {
  await report("running", ", failures = 0, reason = null, stderr_excerpt = null, first_output_at = now()");
  const running = "demo.sensor is running on worker w1, pid 17, started just now";
  const rejectedLog = [
    '2026-11-28T10:00:00Z not an event: it is not JSON: "hello"',
    "2026-11-28T10:00:01Z other",
  ];

  expect((await explain("demo.sensor")).answer).toBe(
    `${running}, but none of its events is stored: it has reported none, or they are older than retention.events`,
  );
  const rejected = await explain("demo.sensor", rejectedLog);
  expect(rejected.answer).toBe(`${running}, but its output is rejected: it is not JSON: "hello"`);
  expect(rejected.rejected).toEqual(['it is not JSON: "hello"']);
  const held = await explain("demo.sensor", [], { stalledSeconds: 40, deafSeconds: 300 });
  expect(held.answer).toBe(
    "demo.sensor is held up: its output has not been read for 40 s, because its events wait to be stored",
  );
  expect(held.notes.join("\n")).toContain("no way to hear of changes of its rules for 5 min");
  expect(held.notes.join("\n")).toContain("worker w1 has owned it since");

  await using pipeline = await rig.start();
  const stored = await pipeline.pipeline.accept(rig.tick());
  const id = stored.kind === "stored" ? stored.eventId : "";
  const { answer, lastEvent } = await explain("demo.sensor");
  expect(answer).toBe(`${running}; its last event is ${id}, stored just now`);
  expect(lastEvent?.id).toBe(id);
});

test("events that were refused because the sensor had moved are counted, with their times and their worker", async () => {
  await report("running", ", failures = 0, reason = null, stderr_excerpt = null, first_output_at = now()");
  const { source } = rig;
  const past = { ...source, term: { generation: "0", instance: rig.instance } };
  const fenced = new FencedEvents({
    database: rig.database,
    instance: rig.instance,
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  });
  await using running = await rig.start({ onFenced: (from) => fenced.note(from) });
  const refuse = async (count: number) => {
    for (let event = 0; event < count; event += 1)
      expect(await running.pipeline.accept(rig.tick({ source: past }))).toEqual({ kind: "fenced" });
    await fenced.run(AbortSignal.abort());
  };

  await refuse(1);
  const one = await explain("demo.sensor");
  const time = String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`;
  expect(one.answer).toMatch(
    new RegExp(
      `^demo\\.sensor .*; 1 event was refused at ${time}, because worker w1 had lost it to another$`,
    ),
  );
  await refuse(2);
  const { answer, fenced: count, notes } = await explain("demo.sensor");
  expect(answer).toMatch(
    new RegExp(`; 3 events were refused from ${time} to ${time}, because worker w1 had`),
  );
  expect(count).toMatchObject({ events: 3, workerName: "w1", since: one.fenced?.since });
  expect(notes.join("\n")).not.toContain("refused from");

  // Older ones are no longer the answer, and new ones are counted afresh.
  await query(rig.database, "update sensor_process set fenced_at = fenced_at - interval '2 days'");
  const later = await explain("demo.sensor");
  expect(later.answer).not.toContain("were refused");
  expect(later.notes.join("\n")).toContain("3 events were refused from");
  await refuse(1);
  expect((await explain("demo.sensor")).fenced?.events).toBe(1);
});
