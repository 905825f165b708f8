/**
 * The workload of the matching benchmark: rules that watch hosts, on one trigger. Every rule has an
 * equality (its host), a number (a threshold) and a regular expression (what the message says); about
 * four match an event.
 */
import jsonLogic from "json-logic-js";
import { compileLinearPattern, type LinearPattern } from "../../src/model/texts/linear-pattern.ts";
import type { EventFacts } from "../../src/model/rules/rule-match.ts";
import type { RuleText } from "../../src/model/rules/compiled-rule.ts";
import { CompiledRuleSet } from "../../src/model/rules/rule-set.ts";

export interface Workload {
  readonly rules: readonly RuleText[];
  readonly events: readonly EventFacts[];
}

const rulesPerHost = 26;
const thresholds = 10;
const words = ["timeout", "refused", "disk full", "reset", "denied"];
const patterns = words.flatMap((word) => [
  `(error|fatal): .*${word}`,
  `^[a-z]+\\[[0-9]+\\]: .*${word}( again)?$`,
]);

export function matchingWorkload(ruleCount: number, eventCount: number): Workload {
  const hosts = Math.max(1, Math.round(ruleCount / rulesPerHost));
  const rules = Array.from({ length: ruleCount }, (_, number): RuleText => {
    const threshold = (number * 7) % thresholds;
    return {
      id: `${number + 1}`,
      ref: `bench.rule_${number + 1}`,
      triggerRef: "bench.trigger",
      actionId: null,
      actionRef: "bench.action",
      triggerParams: {},
      actionParams: { channel: "operations" },
      conditions: [
        { field: "payload.host", operator: "equals", value: `host-${number % hosts}` },
        { field: "payload.load", operator: "greater_than", value: threshold * 10 },
        {
          field: "payload.message",
          operator: "matches",
          value: patterns[(Math.floor(number / hosts) * 3) % patterns.length] ?? "",
        },
      ],
    };
  });
  const events = Array.from({ length: eventCount }, (_, number): EventFacts => {
    const [first, second] = [words[number % words.length], words[(number * 3 + 1) % words.length]];
    return {
      id: `${number + 1}`,
      triggerRef: "bench.trigger",
      sourceRef: "bench.sensor",
      occurredAt: null,
      triggerInstanceId: null,
      payload: {
        host: `host-${(number * 31) % hosts}`,
        load: (number * 13) % 100,
        message: `sshd[${number}]: error: connection ${first} then ${second} ${second}`,
        tags: ["a", "b"],
      },
    };
  });
  return { rules, events };
}

/** The same rules through json-logic-js, with an operation for the same compiled patterns. */
export function jsonLogicMatcher(rules: readonly RuleText[]): (event: EventFacts) => readonly string[] {
  const compiled = new Map<string, LinearPattern>();
  jsonLogic.add_operation("matches", (text: unknown, source: string) => {
    let pattern = compiled.get(source);
    if (pattern === undefined) {
      const result = compileLinearPattern(source);
      if (result.kind === "invalid") throw new Error(result.problem);
      pattern = result.value;
      compiled.set(source, pattern);
    }
    return typeof text === "string" && pattern.test(text);
  });
  const translated = rules.map(({ id, conditions }) => ({ id, logic: asJsonLogic(conditions) }));
  return (event) =>
    translated.filter(({ logic }) => jsonLogic.apply(logic, event.payload) === true).map(({ id }) => id);
}

/** Builds in one go; the number of pauses offered on the way is `slices`. */
export function buildRuleSet(rules: readonly RuleText[]): {
  readonly set: CompiledRuleSet;
  readonly slices: number;
  readonly sliceMsMax: number;
} {
  const building = pausingBuild(rules);
  let sliceMsMax = 0;
  for (let slices = 1; ; slices += 1) {
    const startedAt = performance.now();
    const step = building.next();
    sliceMsMax = Math.max(sliceMsMax, performance.now() - startedAt);
    if (step.done === true) return { set: step.value, slices, sliceMsMax };
  }
}

function* pausingBuild(rules: readonly RuleText[]): Generator<void, CompiledRuleSet> {
  const draft = CompiledRuleSet.empty().draft();
  for (const rule of rules) {
    yield;
    draft.put(rule);
  }
  return yield* draft.finish("1");
}

type JsonLogic = Parameters<typeof jsonLogic.apply>[0];

function asJsonLogic(conditions: RuleText["conditions"]): JsonLogic {
  if (!Array.isArray(conditions)) throw new Error("the workload's conditions are arrays");
  const operations: Record<string, string> = { equals: "===", greater_than: ">", matches: "matches" };
  const parts = conditions.map(({ field, operator, value }: Record<string, string>) => ({
    [operations[operator ?? ""] ?? ""]: [{ var: (field ?? "").replace("payload.", "") }, value],
  }));
  return { and: parts };
}
