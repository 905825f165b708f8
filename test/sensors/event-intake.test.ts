import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { AcceptOutcome } from "../../src/model/sensors/incoming-event.ts";
import type { JsonValue } from "../../src/model/json/json.ts";
import { EventIntake, type EventIntakeOptions, type Submission } from "../../src/sensors/event-intake.ts";
import { fakeClock } from "../support/fake-clock.ts";

const source = { sensorId: "1", sensorRef: "test.one", sensorConfig: {}, term: null };

const event = (line: number): Submission => ({
  kind: "event",
  event: {
    triggerRef: "test.happened",
    payload: { line },
    triggerInstanceId: null,
    dedupKey: null,
    occurredAt: null,
    checkpoint: line,
  },
});

/** Stored with an id: good for an event and for a checkpoint. */
type Outcome = Extract<AcceptOutcome, { kind: "stored" | "refused" | "fenced" }>;

/** An intake whose sink keeps what it is given until the test settles it. */
function scene(bounds: Partial<EventIntakeOptions> = {}) {
  const taken: JsonValue[] = [];
  const settle: ((outcome: Outcome) => void)[] = [];
  const checkpoints: JsonValue[] = [];
  const refusals: string[] = [];
  const clock = fakeClock();
  const give = (what: JsonValue): Promise<Outcome> => {
    taken.push(what);
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    settle.push(resolve);
    return promise;
  };
  const intake = new EventIntake({
    source,
    sink: {
      accept: ({ payload }) => give(payload["line"] ?? null),
      advance: ({ checkpoint }) => give(checkpoint),
    },
    pace: { ease: () => undefined },
    clock,
    eventsMax: 2,
    bytesMax: 1_000,
    onWaiting: () => {},
    onCheckpoint: (value) => void checkpoints.push(value),
    onRefused: (reason, text) => void refusals.push(`${reason}: ${text}`),
    onFenced: () => {},
    ...bounds,
  });
  return { intake, taken, settle, checkpoints, refusals, clock };
}

const stored = { kind: "stored", eventId: "1" } as const;

// Goal: what several callers submit at once keeps its order, and no later one overtakes those that wait.
// Method: fill the intake and let three wait. Make room for two at once, and submit another one at the very moment when
// the first of the three has gone in and the second has not yet.
test("a submission without room waits, is submitted in order, and delays later ones", async () => {
  const { intake, taken, settle } = scene();
  expect([intake.submit(event(1), "1", 1), intake.submit(event(2), "2", 1)]).toEqual([true, true]);
  const third = intake.submit(event(3), "3", 1);
  const last = Promise.resolve(third).then(() => intake.submit(event(6), "6", 1));
  const fourth = intake.submit(event(4), "4", 1);
  const fifth = intake.submit({ kind: "checkpoint", checkpoint: "five" }, "five", 4);

  settle[0]?.(stored);
  settle[1]?.(stored);
  expect([await third, await fourth]).toEqual([true, true]);
  expect(taken).toEqual([1, 2, 3, 4]);

  settle[2]?.(stored);
  settle[3]?.(stored);
  expect([await fifth, await last]).toEqual([true, true]);
  expect(taken).toEqual([1, 2, 3, 4, "five", 6]);
});

test("a submission of any size has room alone, and the next waits for its bytes", async () => {
  const { intake, settle } = scene({ bytesMax: 10, eventsMax: 100 });

  expect(intake.submit(event(1), "1", 1_000)).toBe(true);
  const second = intake.submit(event(2), "2", 1);
  expect(second).toBeInstanceOf(Promise);
  settle[0]?.(stored);
  expect(await second).toBe(true);
});

test("it reports for how long there has been no room, since the last submission that had room", async () => {
  const { intake, settle, clock } = scene({ eventsMax: 1 });
  void intake.submit(event(1), "1", 1);
  expect(intake.stalledSeconds()).toBeUndefined();

  const [second, third] = [intake.submit(event(2), "2", 1), intake.submit(event(3), "3", 1)];
  await clock.advance(3_000);
  expect(intake.stalledSeconds()).toBe(3);

  settle[0]?.(stored);
  await second;
  expect(intake.stalledSeconds()).toBe(0);
  settle[1]?.(stored);
  await third;
  expect(intake.stalledSeconds()).toBeUndefined();
});

test("once abandoned, all waits end, and waiting submissions are dropped", async () => {
  const { intake, taken } = scene({ eventsMax: 1 });
  void intake.submit(event(1), "1", 1);
  const [second, third] = [intake.submit(event(2), "2", 1), intake.submit(event(3), "3", 1)];
  const settled = intake.settled();

  intake.abandon();

  expect([await second, await third]).toEqual([false, false]);
  await settled;
  expect(taken).toEqual([1]);
});

test("a stored event moves the checkpoint; of a refused one the beginning is quoted", async () => {
  const { intake, settle, checkpoints, refusals } = scene({ eventsMax: 4, bytesMax: 10_000 });
  const long = "x".repeat(5_000);
  void intake.submit(event(1), "1", 1);
  void intake.submit(event(2), "2", 1);
  void intake.submit(event(3), long, long.length);
  void intake.submit({ kind: "checkpoint", checkpoint: "four" }, "", 4);

  settle[0]?.(stored);
  settle[1]?.(stored);
  settle[2]?.({ kind: "refused", reason: "too odd" });
  settle[3]?.(stored);
  await intake.settled();

  expect(checkpoints).toEqual([1, 2, "four"]);
  expect(refusals).toEqual([`too odd: ${long.slice(0, 200)}`]);
  expect(intake.lastEventSeconds).toBeDefined();
});

// Goal: a source at full speed is slowed down, without holding back what its events led to.
test("a settled event keeps its room until the pace eases, and its outcome is told at once", async () => {
  let easing: PromiseWithResolvers<void> | undefined = Promise.withResolvers<void>();
  const { intake, taken, settle, checkpoints } = scene({ pace: { ease: () => easing?.promise } });
  void intake.submit(event(1), "1", 1);
  void intake.submit(event(2), "2", 1);
  const third = Promise.resolve(intake.submit(event(3), "3", 1));
  settle[0]?.(stored);
  settle[1]?.(stored);
  await nextTurn();
  expect({ taken, checkpoints }).toEqual({ taken: [1, 2], checkpoints: [1, 2] });

  const first = easing;
  easing = Promise.withResolvers<void>();
  first.resolve();
  expect(await third).toBe(true);
  settle[2]?.(stored);
  const isSettled = intake.settled().then(() => true);
  expect(await Promise.race([isSettled, nextTurn(false)])).toBe(false);
  easing.resolve();
  expect(await isSettled).toBe(true);
  easing = undefined;
  void intake.submit(event(4), "4", 1);
  settle[3]?.(stored);
  await intake.settled();
  expect(taken).toEqual([1, 2, 3, 4]);
});

test("a submitter that asks is told once what became of its event", async () => {
  const outcomes: unknown[] = [];
  const asking = (): Submission => {
    const submission = event(1);
    if (submission.kind === "checkpoint") return submission;
    return { ...submission, onOutcome: (outcome) => void outcomes.push(outcome) };
  };
  const { intake, settle } = scene();
  void intake.submit(asking(), "1", 1);
  void intake.submit(asking(), "2", 1);
  settle[0]?.(stored);
  settle[1]?.({ kind: "refused", reason: "its trigger is disabled" });
  await intake.settled();

  const stopped = scene({
    sink: {
      accept: () => Promise.reject(new Error("stopped")),
      advance: () => Promise.reject(new Error("stopped")),
    },
  });
  void stopped.intake.submit(asking(), "3", 1);
  await stopped.intake.settled();

  expect(outcomes).toEqual([stored, { kind: "refused", reason: "its trigger is disabled" }, undefined]);
});
