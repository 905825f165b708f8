/**
 * How fast events are matched against 10,000 rules on one trigger, against json-logic-js doing the same
 * job on the same rules in the same process. `node test/bench/matching.ts`
 *
 * Both are measured in turns, in processor time of their thread, and the ratio is the median of the turns' ratios: what else
 * runs on the machine then takes little part in it.
 */
import { isJsonArray } from "../../src/model/json/json.ts";
import type { RuleSet } from "../../src/model/rules/rule-match.ts";
import { ruleSetOf } from "../support/rule-sets.ts";
import { median } from "./rig/report.ts";
import { buildRuleSet, jsonLogicMatcher, matchingWorkload } from "./matching-workload.ts";

const ruleCount = 10_000;
const ratioMin = 1_400;
const turns = 5;
const turnMs = 1_500;
const { rules, events } = matchingWorkload(ruleCount, 5_000);

const heapBefore = heapUsedMb();
const compileMs = timed(() => buildRuleSet(rules));
const { set, sliceMsMax } = buildRuleSet(rules);
const heapMb = heapUsedMb() - heapBefore;
const changed = rules.map((rule) => (rule.id === "5000" ? { ...rule, conditions: null } : rule));
const refreshMs = timed(() =>
  ruleSetOf(changed.slice(4_999, 5_000), { set, rules: rules.slice(4_999, 5_000) }),
);

const withoutEquality = buildRuleSet(
  rules.map((rule) => ({
    ...rule,
    conditions: isJsonArray(rule.conditions) ? rule.conditions.slice(1) : null,
  })),
).set;
const byJsonLogic = jsonLogicMatcher(rules);
const taken: { readonly ours: number; readonly theirs: number }[] = [];
for (let turn = 0; turn < turns; turn += 1) {
  const ours = eventsPerSecond(turnMs, (number) => set.match(eventAt(number)));
  taken.push({ ours, theirs: eventsPerSecond(turnMs, (number) => byJsonLogic(eventAt(number))) });
}
const ratio = median(taken.map(({ ours, theirs }) => ours / theirs));
const oursWithoutEquality = eventsPerSecond(turnMs, (number) => withoutEquality.match(eventAt(number)));

const rows: readonly (readonly [string, string])[] = [
  ["rules on one trigger", `${ruleCount}`],
  ["matches per event", matchesPerEvent(set).toFixed(1)],
  ["compile all", `${compileMs.toFixed(0)} ms, longest slice ${sliceMsMax.toFixed(0)} ms`],
  ["compile after one rule changed", `${refreshMs.toFixed(0)} ms`],
  ["memory of the compiled rules", `${heapMb.toFixed(1)} MB`],
  ["this matcher", `${median(taken.map(({ ours }) => ours)).toFixed(0)} events/s`],
  [
    "without the equalities",
    `${oursWithoutEquality.toFixed(0)} events/s at ${matchesPerEvent(withoutEquality).toFixed(0)} matches per event`,
  ],
  ["json-logic-js", `${median(taken.map(({ theirs }) => theirs)).toFixed(0)} events/s`],
  ["ratio", `${ratio.toFixed(0)} (at least ${ratioMin})`],
];
for (const [what, value] of rows) process.stdout.write(`${what.padEnd(34)}${value}\n`);
if (ratio < ratioMin) process.exitCode = 1;

function matchesPerEvent(matcher: RuleSet): number {
  const sample = events.slice(0, 1_000);
  return sample.reduce((sum, event) => sum + matcher.match(event).length, 0) / sample.length;
}

function eventAt(number: number): (typeof events)[number] {
  const event = events[number % events.length];
  if (event === undefined) throw new Error("no events");
  return event;
}

/** Of this thread's processor time. */
function eventsPerSecond(milliseconds: number, work: (number: number) => unknown): number {
  for (let number = 0; number < 50; number += 1) work(number);
  const [startedAtMs, startedAtProcessorMs] = [performance.now(), processorMs()];
  let count = 0;
  while (performance.now() - startedAtMs < milliseconds) {
    // Several per look at the clock, so that looking costs nothing.
    for (let inner = 0; inner < 20; inner += 1, count += 1) work(count);
  }
  return count / ((processorMs() - startedAtProcessorMs) / 1_000);
}

function processorMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

function timed(work: () => unknown): number {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
}

function heapUsedMb(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 1e6;
}
