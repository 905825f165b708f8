/** What a compiled rule takes of an agent's memory, which it needs for every enabled rule. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import type { RuleText } from "../../../src/model/rules/compiled-rule.ts";
import { ruleSetOf } from "../../support/rule-sets.ts";

const count = 20_000;
/** It is about 850 with 100,000 rules, and a good part of what is measured here is not of rules. */
const bytesMax = 1_400;

test("a rule with two conditions and a template takes less than 1.4 kilobytes until it first matches", () => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const used = (): number => {
    collect();
    collect();
    return process.memoryUsage().heapUsed;
  };

  const before = used();
  const set = ruleSetOf(Array.from(rules()));
  const bytes = (used() - before) / count;

  expect(set.counts.valid).toBe(count);
  expect(bytes).toBeLessThan(bytesMax);
});

/** As an agent reads them: no rule shares a text with another. */
function* rules(): Generator<RuleText> {
  for (let n = 1; n <= count; n += 1) {
    yield JSON.parse(`{
      "id": "${n}", "ref": "grown.r${n}", "triggerRef": "grown.t${Math.floor(n / 100)}",
      "actionId": null, "actionRef": "core.noop", "triggerParams": {},
      "actionParams": { "text": "{{ event.payload.host }}" },
      "conditions": [
        { "field": "host", "operator": "equals", "value": "host-${n}" },
        { "field": "load", "operator": "greater_than", "value": ${n % 100} }
      ]
    }`);
  }
}
