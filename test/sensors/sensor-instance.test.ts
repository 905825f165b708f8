import { expect, test } from "vitest";
import type { JsonValue } from "../../src/model/json/json.ts";
import type { SensorKind } from "../../src/model/sensors/sensor-kind.ts";
import type { EndedRun } from "../../src/model/sensors/restart-policy.ts";
import { EventIntake } from "../../src/sensors/event-intake.ts";
import { OutputRemarks } from "../../src/sensors/output/output-remarks.ts";
import { RejectedLines } from "../../src/sensors/output/rejected-lines.ts";
import { SensorOutput } from "../../src/sensors/output/sensor-output.ts";
import { SensorNotes } from "../../src/sensors/report/sensor-notes.ts";
import { SensorInstance } from "../../src/sensors/sensor-instance.ts";
import type { Source, SourceContext } from "../../src/sensors/sources/source.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const source = { sensorId: "1", sensorRef: "test.clock", sensorConfig: {}, term: null };
const ended: EndedRun = { exit: { kind: "closed-output" }, uptimeMs: 0, hadSuccess: false };

/** An instance of a sensor without a process, whose runs are the test's. */
function scene(kind: SensorKind, run: (context: SourceContext) => Promise<EndedRun>) {
  const clock = fakeClock();
  const { logger, lines } = recordingLogger();
  const log = { write: () => {}, writeOutput: () => {}, flushed: async () => {} };
  const taken: JsonValue[] = [];
  const statuses: string[] = [];
  const counts = { restarts: 0, closes: 0 };
  let newest: JsonValue | undefined;
  const notes = new SensorNotes({
    source,
    instance: "i",
    clock,
    logger,
    log,
    recorder: { record: () => {} },
    redact: (text) => text,
    alert: () => {},
    onStatus: (_ref, status) => void statuses.push(status),
  });
  const intake = new EventIntake({
    source,
    clock,
    sink: {
      accept: async ({ payload }) => {
        taken.push(payload);
        return { kind: "stored", eventId: "1" };
      },
      advance: async () => ({ kind: "stored" }),
    },
    pace: { ease: () => undefined },
    eventsMax: 10,
    bytesMax: 1_000,
    onWaiting: () => {},
    onCheckpoint: (value) => (newest = value),
    onRefused: () => {},
    onFenced: () => {},
  });
  const metrics = { linesRejected: () => {}, sensorRestarted: () => void (counts.restarts += 1) };
  const rejected = new RejectedLines("test.clock", { clock, logger, log, metrics });
  const ownSource: Source = {
    nextRunMs: (earliestMs) => earliestMs,
    run,
    noteRulesChanged: () => {},
    deafSeconds: () => undefined,
    close: async () => void (counts.closes += 1),
  };
  const instance = new SensorInstance({
    ref: "test.clock",
    kind,
    source: ownSource,
    intake,
    output: new SensorOutput({ intake, rejected, remarks: new OutputRemarks({ clock, logger, log }) }),
    checkpoint: { newest: async () => newest },
    notes,
    log,
    limits: {
      restart: {
        isRestartEnabled: true,
        delayMsFirst: 1_000,
        delayMsMax: 1_000,
        restartsMax: 1,
        stableAfterMs: 60_000,
      },
      graceMs: 1_000,
      settleMs: 1_000,
    },
    metrics,
    clock,
    logger,
    random: () => 0.5,
  });
  return { instance, clock, lines, taken, statuses, counts };
}

async function submitTick({ output }: SourceContext, tick: number): Promise<void> {
  const event = {
    triggerRef: "test.ticked",
    payload: { tick },
    triggerInstanceId: null,
    dedupKey: null,
    occurredAt: null,
    checkpoint: tick,
  };
  await output.take({ kind: "event", event, remarks: [] }, "", 1);
}

// Goal: the supervisor needs nothing of a process. Method: a source that only counts, and fails after two ticks.
test("a source without a process is started, restarted from its checkpoint and stopped", async () => {
  const { instance, clock, taken, statuses, counts } = scene("stream", async (context) => {
    const from = Number((await context.checkpoint()) ?? 0);
    context.noteRunning({});
    for (let tick = from + 1; tick <= from + 2; tick += 1) {
      await context.clock.sleep(100, context.stopping);
      if (context.stopping.aborted) return ended;
      await submitTick(context, tick);
    }
    return ended;
  });
  const running = instance.run();
  await clock.advance(0);
  await clock.advance(200);
  expect(taken).toEqual([{ tick: 1 }, { tick: 2 }]);
  expect(instance.status).toBe("backoff");

  while (statuses.at(-1) !== "running") await clock.advance(50);
  await clock.advance(100);
  expect(taken).toEqual([{ tick: 1 }, { tick: 2 }, { tick: 3 }]);
  instance.stop("enough");
  await running;

  expect(statuses).toEqual(["starting", "running", "backoff", "starting", "running", "stopped"]);
  expect(counts).toEqual({ restarts: 1, closes: 1 });
});

test("a source that throws has failed because of a bug in the agent, and harms no other", async () => {
  const { instance, clock, lines, statuses } = scene("stream", () => Promise.reject(new Error("odd")));
  const running = instance.run();
  await clock.advance(0);

  expect(instance.status).toBe("backoff");
  expect(lines.filter(({ level }) => level === "error").map(({ message }) => message)).toEqual([
    "could not run the sensor because of a bug in the agent",
  ]);
  instance.stop("enough");
  await running;
  expect(statuses.at(-1)).toBe("stopped");
});

test.each<[SensorKind, boolean]>([
  ["stream", true],
  ["poll", false],
])("whether a running, silent %s sensor is reported: %s", async (kind, isTold) => {
  const { instance, clock } = scene(kind, async ({ noteRunning, clock: time, stopping }) => {
    noteRunning({});
    await time.sleep(1_000_000, stopping);
    return ended;
  });
  const running = instance.run();
  await clock.advance(10);

  expect(instance.status).toBe("running");
  expect(instance.silentSince !== null).toBe(isTold);
  instance.stop("enough");
  await running;
});
