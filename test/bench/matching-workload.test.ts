import { expect, test } from "vitest";
import { naivelyHolds } from "../model/rules/naive-evaluator.ts";
import { buildRuleSet, jsonLogicMatcher, matchingWorkload } from "./matching-workload.ts";

test("the benchmark's contestants decide alike, about four matches an event", () => {
  const { rules, events } = matchingWorkload(1_000, 200);
  const { set } = buildRuleSet(rules);
  const byJsonLogic = jsonLogicMatcher(rules);
  let matches = 0;

  for (const event of events) {
    const ours = set.match(event).map(({ ruleId }) => ruleId);
    matches += ours.length;
    expect(ours).toEqual(byJsonLogic(event));
    expect(ours).toEqual(
      rules.filter((rule) => naivelyHolds(rule.conditions, event.payload)).map(({ id }) => id),
    );
  }

  expect(matches / events.length).toBeGreaterThan(3);
  expect(matches / events.length).toBeLessThan(5);
});
