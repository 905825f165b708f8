import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isGateClosed, readGate } from "../../../src/model/rules/backtest-gate.ts";
import { openBacktest, type Backtest } from "../../../src/model/rules/backtest.ts";
import type { RuleText } from "../../../src/model/rules/compiled-rule.ts";
import type { JsonObject } from "../../../src/model/json/json.ts";
import { events, ruleText, ruleTexts } from "./generated-rules.ts";

const hourMs = 3_600_000;

test("events are counted by what the draft and the live rule make of them, over time", () => {
  const backtest = opened(
    rule({ above: 10, parameters: { level: "{{ n }}" } }),
    rule({ above: 20, parameters: { level: "n {{ n }}" } }),
  );
  for (let n = 0; n < 30; n += 1) add(backtest, { n }, n * 60_000);

  const result = backtest.result();

  expect(result).toMatchObject({
    counts: { events: 30, hits: 19, live_hits: 9, caught: 10, missed: 0, changed: 9, too_long: 0 },
    bucketSeconds: 60,
    caughtIds: Array.from({ length: 10 }, (_, index) => String(index + 11)),
    missedIds: [],
  });
  expect(result.changedParameters[0]).toEqual({
    eventId: "21",
    draft: { level: 21 },
    live: { level: "n 21" },
  });
  expect(result.hitParameters[0]).toEqual({ eventId: "11", parameters: { level: 11 } });
  expect(result.buckets).toHaveLength(30);
  expect(result.buckets[11]).toEqual({ startMs: 11 * 60_000, events: 1, hits: 1, liveHits: 0 });
});

test("enforcements that were stored take the place of the live rule", () => {
  const backtest = opened(rule({ above: 10 }), rule({ above: 10 }));
  add(backtest, { n: 11 }, 0, false);
  add(backtest, { n: 11 }, 0, true);
  add(backtest, { n: 9 }, 0, true);

  expect(backtest.result().counts).toMatchObject({ hits: 2, live_hits: 2, caught: 1, missed: 1, changed: 0 });
});

test("an event for another rule is no hit, and memory does not grow with the differences", () => {
  const backtest = opened(rule({ above: 0 }), null);
  for (let n = 1; n <= 5_000; n += 1) add(backtest, { n }, n * 700);
  backtest.add({
    facts: { ...factsOf("1", { n: 5 }), triggerInstanceId: "rule_p.other" },
    createdMs: 0,
    isEnforced: undefined,
  });

  const { counts, caughtIds, hitParameters, buckets } = backtest.result();
  expect(counts).toMatchObject({ events: 5_001, hits: 5_000, caught: 5_000 });
  expect([caughtIds.length, hitParameters.length, buckets.length <= 61]).toEqual([100, 5, true]);
});

test("an invalid draft says what is wrong", () => {
  const draft = ruleText({ conditions: { field: "n", operator: "above" } });

  expect(openBacktest(draft, null, { fromMs: 0, untilMs: 1 })).toMatchObject({
    kind: "invalid",
    problem: expect.stringContaining("conditions.operator") as string,
  });
});

const templates = fc.constantFrom(
  "plain",
  "{{ a }}",
  "{{ event.payload.b }} and {{ payload.c }}",
  '{{ ["payload"] }}',
  "{{ event.payload }}",
  "{{ rule.ref }} {{ event.id }}",
  "{{ a.payload.b[0] }}",
);

test("the result depends on no other keys of payloads than those that the rules read", () => {
  fc.assert(
    fc.property(
      ruleTexts,
      fc.array(templates, { maxLength: 2 }),
      fc.array(events, { minLength: 1, maxLength: 5 }),
      (rules, params, facts) => {
        const [draft, live] = rules.map((each) => ({
          ...each,
          triggerRef: "t.one",
          actionParams: { params },
        }));
        if (draft === undefined) return;
        const whole = openBacktest(draft, live ?? null, { fromMs: 0, untilMs: hourMs });
        // Rules with impossible conditions are among them.
        if (whole.kind === "invalid") return;
        const restricted = opened(draft, live ?? null);
        const { payloadKeys } = restricted;
        for (const each of facts) {
          const payload = onlyKeys(each.payload, payloadKeys);
          whole.value.add({ facts: each, createdMs: 0, isEnforced: undefined });
          restricted.add({ facts: { ...each, payload }, createdMs: 0, isEnforced: undefined });
        }
        expect(restricted.result()).toEqual(whole.value.result());
      },
    ),
  );
});

test("only the keys that rules read are wanted, unless a template takes the whole payload", () => {
  const draft = rule({ above: 1, parameters: { text: "{{ device.name }} {{ payload.level }}" } });
  const live = ruleText({ conditions: { not: { any: [{ field: "payload.old[0]", operator: "exists" }] } } });
  expect(opened(draft, live).payloadKeys).toEqual(new Set(["n", "device", "level", "old"]));
  expect(opened(rule({ above: 1, parameters: { all: "{{ payload }}" } }), null).payloadKeys).toBeUndefined();
});

function onlyKeys(payload: JsonObject, keys: ReadonlySet<string> | undefined): JsonObject {
  return keys === undefined
    ? payload
    : Object.fromEntries(Object.entries(payload).filter(([key]) => keys.has(key)));
}

test.each([
  ["hits>100", { hits: 101 }, true],
  ["hits > 100", { hits: 100 }, false],
  ["missed!=0", { missed: 0 }, false],
  ["caught==3", { caught: 3 }, true],
  ["bucket_hits_max>=5", { bucket_hits_max: 5 }, true],
  ["events<=0", { events: 1 }, false],
])("the gate %s with %j is closed: %s", (text, some, isClosed) => {
  const none = {
    events: 0,
    hits: 0,
    live_hits: 0,
    caught: 0,
    missed: 0,
    changed: 0,
    too_long: 0,
    bucket_hits_max: 0,
  };
  const gate = readGate(text);

  expect(gate.kind === "valid" && isGateClosed(gate.value, { ...none, ...some })).toBe(isClosed);
});

test.each([
  ["hit>1", "hit is not a count; did you mean hits?"],
  ["hits", "write a count, a comparison and a number, like hits>100"],
  ["hits>1.5", "write a count, a comparison and a number, like hits>100"],
])("the gate %s is refused", (text, problem) => {
  expect(readGate(text)).toEqual({ kind: "invalid", problem });
});

function rule({
  above,
  parameters = {},
}: {
  readonly above: number;
  readonly parameters?: JsonObject;
}): RuleText {
  return ruleText({
    conditions: [{ field: "n", operator: "greater_than", value: above }],
    actionParams: parameters,
  });
}

function opened(draft: RuleText, live: RuleText | null): Backtest {
  const backtest = openBacktest(draft, live, { fromMs: 0, untilMs: hourMs });
  if (backtest.kind === "invalid") throw new Error(backtest.problem);
  return backtest.value;
}

function factsOf(id: string, payload: JsonObject) {
  const { triggerRef } = ruleText({});
  return { id, triggerRef, payload, sourceRef: null, occurredAt: null, triggerInstanceId: null };
}

function add(backtest: Backtest, payload: JsonObject, createdMs: number, isEnforced?: boolean): void {
  backtest.add({ facts: factsOf(JSON.stringify(payload["n"]), payload), createdMs, isEnforced });
}
