import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/model/json/json.ts";
import { decodeTimer, type TimerPlan } from "../../../src/model/schedules/timer-plan.ts";
import {
  decide,
  isAhead,
  isYetToBegin,
  type Absence,
  type Circumstances,
  type Span,
  type TimerState,
} from "../../../src/model/timers/slot-decision.ts";
import { countSlots, newestBefore, newestDue } from "../../../src/model/timers/slot-search.ts";
import {
  emptyRecord,
  settle,
  type Settlement,
  type TimerRecord,
} from "../../../src/model/timers/timer-record.ts";

const startMs = Date.parse("2026-11-02T00:00:00Z");
const secondMs = 1_000;
const minuteMs = 60_000;
const hourMs = 3_600_000;
const dayMs = 86_400_000;

function planOf(params: JsonObject, triggerRef = "core.intervaltimer"): TimerPlan {
  const plan = decodeTimer(triggerRef, params, { id: "7", ref: "p.r", createdMs: startMs });
  if (plan.kind === "invalid") throw new Error(plan.problem);
  return plan.value;
}

const nothing: Circumstances = {
  pauses: [],
  pausedSinceMs: null,
  absences: [],
  firedMs: [],
  countMax: 1_000,
};

/** What happens to all slots until now, in words. */
function settleAll(
  plan: TimerPlan,
  nowMs: number,
  circumstances: Partial<Circumstances> = {},
  state: Partial<TimerState> = {},
): string[] {
  const outcomes: string[] = [];
  let present: TimerState = { settledUntilMs: startMs, executionCount: 0, lastFiredMs: null, ...state };
  let atMs = nowMs;
  for (;;) {
    const decision = decide(plan, present, { ...nothing, ...circumstances }, atMs);
    const at = (scheduledMs: number): string => `${(scheduledMs - startMs) / secondMs}`;
    switch (decision.kind) {
      case "wait":
        // Made-up fires keep their distance: the clock goes on for these only.
        if (decision.untilMs > nowMs + minuteMs) return outcomes;
        if ((plan.schedule.next(present.settledUntilMs)?.dueMs ?? Infinity) > nowMs) return outcomes;
        atMs = decision.untilMs;
        break;
      case "known":
      case "fire": {
        const { scheduledMs, dueMs } = decision.slot;
        const late = (atMs - dueMs) / secondMs;
        outcomes.push(`${decision.kind} ${at(scheduledMs)}${late > 1 ? ` late ${late}` : ""}`);
        present = {
          settledUntilMs: scheduledMs,
          executionCount: present.executionCount + 1,
          lastFiredMs: atMs,
        };
        break;
      }
      case "skip":
        outcomes.push(
          `skip ${decision.slots} ${at(decision.firstMs)}..${at(decision.lastMs)} ${decision.reason}`,
        );
        present = { ...present, settledUntilMs: decision.lastMs };
        break;
    }
  }
}

const down: Absence = { fromMs: startMs, untilMs: startMs + 3 * dayMs, reason: "down" };
const hourly = { interval: 1, unit: "hours" };

describe("a slot that is late", () => {
  test("by 1.7 s fires, whatever catch_up is", () => {
    for (const catch_up of ["none", "last", "all"]) {
      const plan = planOf({ ...hourly, catch_up });
      expect(settleAll(plan, startMs + hourMs + 1_700)).toEqual(["fire 3600 late 1.7"]);
    }
  });

  test("by twelve seconds, because another agent took over, fires if it is the newest", () => {
    const plan = planOf({ interval: 4, catch_up: "none" });
    expect(settleAll(plan, startMs + 17_000, { absences: [down] })).toEqual([
      "skip 2 4..8 down",
      "fire 12 late 5",
      "fire 16",
    ]);
    const daily = planOf({ interval: 1, unit: "days", catch_up: "none" });
    expect(settleAll(daily, startMs + dayMs + 12_000, { absences: [down] })).toEqual(["fire 86400 late 12"]);
  });

  test("by an hour is skipped with catch_up none, and fires otherwise", () => {
    const nowMs = startMs + 2 * hourMs;
    const params = { interval: 30, unit: "minutes" };
    const until = (catch_up: string): string[] =>
      settleAll(planOf({ ...params, catch_up }), nowMs + 10 * minuteMs, { absences: [down] });
    expect(until("none")).toEqual(["skip 4 1800..7200 down"]);
    expect(until("last")).toEqual(["skip 3 1800..5400 down", "fire 7200 late 600"]);
    expect(until("all")).toEqual([
      "fire 1800 late 6000",
      "fire 3600 late 4201",
      "fire 5400 late 2402",
      "fire 7200 late 603",
    ]);
  });

  test("by three days is outside the window of a day", () => {
    const daily = planOf({
      interval: 1,
      unit: "days",
      catch_up: { mode: "all", window: 2 * 86_400, spacing: 0 },
    });
    expect(settleAll(daily, startMs + 4 * dayMs + hourMs, { absences: [down] })).toEqual([
      "skip 2 86400..172800 window",
      "fire 259200 late 90000",
      "fire 345600 late 3600",
    ]);
    const yearly = planOf({ interval: 300, unit: "days", catch_up: "last" });
    expect(settleAll(yearly, startMs + 303 * dayMs)).toEqual(["skip 1 25920000..25920000 window"]);
  });

  test("says that the clock was set forward, or that earlier events waited", () => {
    const plan = planOf({ ...hourly, catch_up: "none" });
    const clock: Absence = { fromMs: startMs, untilMs: startMs + 2 * hourMs, reason: "clock" };
    expect(settleAll(plan, startMs + 3.5 * hourMs, { absences: [clock] })).toEqual([
      "skip 1 3600..3600 clock",
      "skip 2 7200..10800 overlap",
    ]);
  });

  test("made-up fires keep up with a timer that is faster than their spacing", () => {
    const plan = planOf({ interval: 1, catch_up: { mode: "all", spacing: 5 } });
    const outcomes = settleAll(plan, startMs + 20_000, { absences: [down] });
    expect(outcomes.at(-1)).toBe("fire 20 late 9.5");
    expect(outcomes).toHaveLength(20);
  });

  test("a hundred thousand slots are skipped at once, and their number is an estimate", () => {
    const plan = planOf({ interval: 1, catch_up: "none" });
    expect(settleAll(plan, startMs + 100_000 * secondMs + 500, { absences: [down] })[0]).toBe(
      "skip 99995 1..99995 down",
    );
  });
});

describe("a slot during a pause", () => {
  const pauses: Span[] = [{ fromMs: startMs + 1.5 * hourMs, untilMs: startMs + 3.5 * hourMs }];
  const nowMs = startMs + 4.5 * hourMs;

  test("is not one of an outage: each has its own setting", () => {
    const until = (params: JsonObject): string[] =>
      settleAll(planOf({ ...hourly, ...params }), nowMs, { absences: [down], pauses });
    expect(until({ on_resume: "skip", catch_up: "none" })).toEqual([
      "skip 1 3600..3600 down",
      "skip 2 7200..10800 paused",
      "skip 1 14400..14400 down",
    ]);
    expect(until({ on_resume: "last", catch_up: "none" })).toEqual([
      "skip 1 3600..3600 down",
      "skip 1 7200..7200 paused",
      "fire 10800 late 5400",
      "skip 1 14400..14400 down",
    ]);
    expect(until({ on_resume: "skip", catch_up: "last" })).toEqual([
      "skip 1 3600..3600 down",
      "skip 2 7200..10800 paused",
      "fire 14400 late 1800",
    ]);
    expect(until({ on_resume: "all", catch_up: { mode: "all", spacing: 0 } })).toEqual([
      "fire 3600 late 12600",
      "fire 7200 late 9000",
      "fire 10800 late 5400",
      "fire 14400 late 1800",
    ]);
  });

  test("waits for the end of paused_until if it may be made up then", () => {
    const paused_until = new Date(startMs + 3.5 * hourMs).toISOString();
    const pausedSinceMs = startMs + 1.5 * hourMs;
    const last = planOf({ ...hourly, paused_until, on_resume: "last" });
    const state = { settledUntilMs: startMs + hourMs, executionCount: 1, lastFiredMs: startMs + hourMs };
    expect(decide(last, state, { ...nothing, pausedSinceMs }, startMs + 2 * hourMs)).toEqual({
      kind: "wait",
      untilMs: startMs + 3.5 * hourMs,
    });
    expect(settleAll(last, startMs + 3.5 * hourMs, { pausedSinceMs }, state)).toEqual([
      "skip 1 7200..7200 paused",
      "fire 10800 late 1800",
    ]);
    const skip = planOf({ ...hourly, paused_until });
    expect(settleAll(skip, startMs + 2 * hourMs, { pausedSinceMs }, state)).toEqual([
      "skip 1 7200..7200 paused",
    ]);
  });
});

test("a timer stops after max_fires, and one for a time in the past never fires", () => {
  const three = planOf({ interval: 1, max_fires: 3 });
  expect(settleAll(three, startMs + 4_000)).toEqual(["fire 1 late 3", "fire 2 late 2", "fire 3"]);
  const used = { settledUntilMs: startMs, executionCount: 3, lastFiredMs: startMs };
  expect(decide(three, used, nothing, startMs + dayMs)).toEqual({ kind: "wait", untilMs: Infinity });
});

test("an event that a killed agent stored counts, even if the slot would be skipped by now", () => {
  const plan = planOf({ interval: 10, catch_up: "none" });
  const firedMs = [startMs + 10_000, startMs + 30_000];
  expect(settleAll(plan, startMs + 107_000, { absences: [down], firedMs })).toEqual([
    "known 10 late 97",
    "skip 1 20..20 down",
    "known 30 late 77",
    "skip 6 40..90 down",
    "fire 100 late 7",
  ]);
});

describe("a clock that was set back", () => {
  const hour = planOf({ interval: 1, unit: "hours" });
  const second = planOf({ interval: 1 });

  test("repeats no slot of a timer that is slower than that", () => {
    expect(isAhead(hour, startMs + 5 * hourMs, startMs + 4.5 * hourMs)).toBe(false);
    expect(settleAll(hour, startMs + 4.5 * hourMs, {}, { settledUntilMs: startMs + 5 * hourMs })).toEqual([]);
  });

  test("does not silence a faster one, unless by less than machines differ", () => {
    expect(isAhead(second, startMs + 5 * hourMs, startMs + 4.5 * hourMs)).toBe(true);
    expect(isAhead(second, startMs + minuteMs, startMs + 30_000)).toBe(false);
    expect(isAhead(hour, startMs + 5 * hourMs, startMs + hourMs)).toBe(true);
  });
});

describe("a clock that is behind the one under which a schedule was made", () => {
  test("does not silence it, unless by less than machines differ", () => {
    expect(isYetToBegin(startMs, startMs, startMs - hourMs)).toBe(true);
    expect(isYetToBegin(startMs, startMs, startMs - 30_000)).toBe(false);
  });

  test("changes nothing about a schedule of which slots were settled", () => {
    expect(isYetToBegin(startMs, startMs + 1_000, startMs - hourMs)).toBe(false);
  });
});

describe("searching backwards", () => {
  // Goal: the search, which looks from ever earlier times, finds what walking through all slots finds.
  test("finds what a walk through all slots finds", () => {
    const schedules = fc.oneof(
      fc.record({ interval: fc.integer({ min: 1, max: 5_000 }), spread: fc.integer({ min: 0, max: 300 }) }),
      fc.record({ interval: fc.integer({ min: 60, max: 600 }), jitter: fc.integer({ min: 0, max: 50 }) }),
    );
    const times = fc.integer({ min: 0, max: 20_000 });
    fc.assert(
      fc.property(schedules, times, times, fc.integer({ min: 2, max: 50 }), (params, from, to, countMax) => {
        const { schedule } = planOf(params);
        const afterMs = startMs + from * secondMs;
        const byMs = startMs + to * secondMs;
        const slots = [];
        for (let slot = schedule.next(afterMs); slot !== undefined && slot.scheduledMs <= byMs;) {
          slots.push(slot);
          slot = schedule.next(slot.scheduledMs);
        }
        expect(newestDue(schedule, afterMs, byMs)).toEqual(slots.findLast(({ dueMs }) => dueMs <= byMs));
        expect(newestBefore(schedule, afterMs, byMs + 1)).toEqual(slots.at(-1));
        const count = countSlots(schedule, afterMs, slots.at(-1)?.scheduledMs ?? afterMs, countMax);
        expect(count.isCounted).toBe(slots.length <= countMax);
        // Of an interval, even the estimate is exact.
        expect(count.slots).toBe(slots.length);
      }),
    );
  });
});

/** What may happen to a timer; durations are in seconds. */
const happenings = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ what: fc.constant("run" as const), seconds: fc.integer({ min: 1, max: 400 }) }),
    },
    { weight: 2, arbitrary: fc.record({ what: fc.constant("write" as const), seconds: fc.constant(0) }) },
    {
      weight: 2,
      arbitrary: fc.record({ what: fc.constant("kill" as const), seconds: fc.integer({ min: 0, max: 900 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ what: fc.constant("hang" as const), seconds: fc.integer({ min: 0, max: 900 }) }),
    },
    { weight: 1, arbitrary: fc.record({ what: fc.constant("toggle" as const), seconds: fc.constant(0) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        what: fc.constant("set clock" as const),
        seconds: fc.integer({ min: -600, max: 900 }),
      }),
    },
  ),
  { minLength: 1, maxLength: 40 },
);

const plans = fc.record({
  interval: fc.integer({ min: 1, max: 90 }),
  spread: fc.constantFrom(0, 3, 100),
  jitter: fc.constantFrom(0, 0, 20),
  catch_up: fc.record({
    mode: fc.constantFrom("none", "last", "all"),
    window: fc.constantFrom(30, 300, 86_400),
    spacing: fc.constantFrom(0, 1, 20),
  }),
  on_resume: fc.constantFrom("skip", "last", "all"),
});

// Goal: whatever happens, in whatever order, each slot is settled exactly once, and as fired exactly if there is an event.
// Method: a small agent that writes its progress only now and then, and loses what it has not written when it is killed,
// while its events stay. Its successor knows the events. The clock of the world jumps, the rule is disabled and enabled.
test("every slot is settled exactly once, whatever happens", () => {
  fc.assert(
    fc.property(plans, happenings, (params, story) => {
      const plan = planOf(params);
      const events = new Map<number, number>();
      let nowMs = startMs;
      let record: TimerRecord = emptyRecord(startMs);
      let settlements: Settlement[] = [];
      let written: { record: TimerRecord; settlements: Settlement[] } = { record, settlements: [] };
      let absences: Absence[] = [];
      let pauses: Span[] = [];
      let pausedFromMs: number | undefined;
      let firedMs: readonly number[] = [];

      const apply = (settlement: Settlement): void => {
        settlements.push(settlement);
        record = settle(record, settlement).record;
      };
      const work = (untilMs: number): void => {
        if (pausedFromMs !== undefined) return;
        for (;;) {
          const decision = decide(
            plan,
            record,
            { pauses, pausedSinceMs: null, absences, firedMs, countMax: 5_000 },
            nowMs,
          );
          if (decision.kind === "wait") {
            if (decision.untilMs > untilMs) return;
            expect(decision.untilMs).toBeGreaterThan(nowMs);
            nowMs = decision.untilMs;
          } else if (decision.kind === "skip") {
            apply({ ...decision, kind: "skipped" });
          } else {
            const { scheduledMs, dueMs } = decision.slot;
            if (decision.kind === "fire") {
              expect(dueMs).toBeLessThanOrEqual(nowMs);
              events.set(scheduledMs, (events.get(scheduledMs) ?? 0) + 1);
            }
            apply({
              kind: "fired",
              scheduledMs,
              firedMs: nowMs,
              lateMs: Math.max(nowMs - dueMs, 0),
              event: "1",
            });
          }
        }
      };

      for (const { what, seconds } of story) {
        const untilMs = nowMs + seconds * secondMs;
        switch (what) {
          case "run":
            work(untilMs);
            nowMs = untilMs;
            break;
          case "hang":
            nowMs = untilMs;
            break;
          case "write":
            written = { record, settlements: [...settlements] };
            break;
          case "kill":
            ({ record } = written);
            settlements = [...written.settlements];
            nowMs = untilMs;
            absences = [{ fromMs: Number.NEGATIVE_INFINITY, untilMs: nowMs, reason: "down" }];
            firedMs = [...events.keys()]
              .filter((atMs) => atMs > record.settledUntilMs)
              .toSorted((a, b) => a - b);
            break;
          case "set clock":
            if (untilMs > nowMs) absences.push({ fromMs: nowMs, untilMs, reason: "clock" });
            nowMs = untilMs;
            break;
          case "toggle":
            if (pausedFromMs === undefined) pausedFromMs = nowMs;
            else {
              if (pausedFromMs < nowMs) pauses = [...pauses, { fromMs: pausedFromMs, untilMs: nowMs }];
              pausedFromMs = undefined;
            }
            break;
        }
      }
      // Until the clock, which may have been set back, has passed all of it.
      pausedFromMs = undefined;
      work(Math.max(nowMs, ...events.keys()) + 200 * secondMs);

      // In order, without gaps, each once.
      let lastMs = startMs;
      let counted = 0;
      const fired: number[] = [];
      for (const settlement of settlements) {
        const firstMs = settlement.kind === "fired" ? settlement.scheduledMs : settlement.firstMs;
        expect(firstMs).toBe(plan.schedule.next(lastMs)?.scheduledMs);
        lastMs = settlement.kind === "fired" ? settlement.scheduledMs : settlement.lastMs;
        counted += settlement.kind === "fired" ? 1 : settlement.slots;
        if (settlement.kind === "fired") fired.push(settlement.scheduledMs);
      }
      expect(counted).toBe(countSlots(plan.schedule, startMs, lastMs, Infinity).slots);
      expect(Object.values(record.counts).reduce((sum, count) => sum + count, 0)).toBe(counted);
      // What fired has an event, and what has an event fired; no event came twice.
      expect(fired.toSorted((a, b) => a - b)).toEqual([...events.keys()].toSorted((a, b) => a - b));
      expect(new Set(events.values()).size).toBeLessThanOrEqual(1);
      expect(record.executionCount).toBe(fired.length);
    }),
    { numRuns: 1_000 },
  );
});
