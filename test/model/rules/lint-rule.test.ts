import fc from "fast-check";
import { expect, test } from "vitest";
import { placeText } from "../../../src/model/placed-problem.ts";
import { compileConditions, holds } from "../../../src/model/conditions/condition.ts";
import { implies } from "../../../src/model/conditions/implication.ts";
import { nextStamp, PredicateTable } from "../../../src/model/conditions/predicate.ts";
import { lintRule } from "../../../src/model/rules/lint-rule.ts";
import type { JsonObject } from "../../../src/model/json/json.ts";
import type { SeenFields } from "../../../src/model/schema-memory/seen-fields.ts";
import { predicatesOf } from "../../../src/model/conditions/condition.ts";
import { explainRule } from "../../../src/model/rules/explain-rule.ts";
import { events, ruleTexts } from "./generated-rules.ts";
import { mistakes, outSchema, sound, type CorpusRule } from "./lint-corpus.ts";

function findings({ conditions, actionParams = {} }: CorpusRule): readonly string[] {
  return lintRule({ conditions, actionParams }, outSchema).map(
    ({ place, reason }) => `${placeText(place)} ${reason}`,
  );
}

const findable = mistakes.filter(([, , finding]) => finding !== "");

test.each(findable)("the mistake in %j is found at %s: %s", (rule, place, finding) => {
  expect(compileConditions(rule.conditions, new PredicateTable())).toMatchObject({ kind: "valid" });

  const found = findings(rule);

  expect(found).toHaveLength(1);
  expect(found[0]).toContain(`${place} `);
  expect(found[0]).toContain(finding);
});

test.each(sound)("nothing is found in %j", (rule) => {
  expect(compileConditions(rule.conditions, new PredicateTable())).toMatchObject({ kind: "valid" });
  expect(findings(rule)).toEqual([]);
});

test("of the corpus, at least nine mistakes in ten are found, and every finding is a mistake", () => {
  const found = mistakes.filter(([rule]) => findings(rule).length > 0).length;
  const false_ = sound.filter((rule) => findings(rule).length > 0).length;
  const recall = found / mistakes.length;
  const precision = found / (found + false_);
  process.stdout.write(
    `lint: ${mistakes.length} mistakes, recall ${recall.toFixed(3)}; ${sound.length} sound rules, precision ${precision.toFixed(3)}\n`,
  );

  expect(mistakes.length).toBeGreaterThanOrEqual(60);
  expect(recall).toBeGreaterThanOrEqual(0.9);
  expect(precision).toBe(1);
});

test("a trigger without a schema, or an invalid rule, gets no finding about its fields", () => {
  for (const schema of [null, {}, { type: "object" }]) {
    const conditions = [{ field: "a.b[0].c", operator: "equals", value: 1 }];
    expect(lintRule({ conditions, actionParams: { text: "{{ x.y }}" } }, schema)).toEqual([]);
  }
  expect(
    lintRule({ conditions: [{ field: "a", operator: "eq", value: 1 }], actionParams: {} }, outSchema),
  ).toEqual([]);
});

const silent = { type: "object", properties: { extra: {} }, additionalProperties: true };
const seen = { samples: 1_204, isCut: false, paths: ["level", "extra", "extra.id", "host", "host.name"] };

function doubts(texts: CorpusRule, schema: JsonObject, fields: SeenFields = seen): readonly string[] {
  const { conditions, actionParams = {} } = texts;
  return lintRule({ conditions, actionParams }, schema, fields).map(
    ({ place, reason }) => `${placeText(place)} ${reason}`,
  );
}

test("a path that neither the schema nor any payload has is found, with the nearest one", () => {
  const texts = {
    conditions: { not: { field: "levle", operator: "equals", value: "x" } },
    actionParams: { text: "{{ event.payload.extra.idd }} {{ colour }} {{ level }}" },
  };

  expect(doubts(texts, silent)).toEqual([
    "conditions.not.field is `levle`, which neither the trigger's out_schema nor any of 1204 payloads seen has; did you mean `level`?",
    "action_params.text reads `extra.idd`, which neither the trigger's out_schema nor any of 1204 payloads seen has; did you mean `extra.id`?",
    "action_params.text reads `colour`, which neither the trigger's out_schema nor any of 1204 payloads seen has; correct the path",
  ]);
  expect(doubts(texts, silent, { ...seen, samples: 49 })).toEqual([]);
});

test("a path that the schema has, or may have, is right although no payload has it", () => {
  const texts = (field: string): CorpusRule => ({ conditions: [{ field, operator: "exists" }] });

  expect(doubts(texts("rare"), { properties: { rare: {} } })).toEqual([]);
  expect(doubts(texts("rare"), { anyOf: [{ required: ["rare"] }] })).toEqual([]);
  expect(doubts(texts("labels.team"), { properties: { labels: { additionalProperties: {} } } })).toEqual([]);
  expect(doubts(texts("rare"), {})).toHaveLength(1);
});

test("a path that payloads have is right although the schema does not declare it", () => {
  const texts = { conditions: [{ field: "host.name", operator: "equals", value: "web-1" }] };
  const closed = { type: "object", properties: { level: {} }, additionalProperties: false };

  expect(doubts(texts, closed)).toEqual([]);
  expect(doubts(texts, closed, { ...seen, paths: ["level"] })).toHaveLength(1);
});

test("every finding ends with its suggestion", () => {
  for (const [{ conditions, actionParams = {} }] of mistakes) {
    for (const { reason, suggestion } of lintRule({ conditions, actionParams }, outSchema)) {
      expect(suggestion).not.toBe("");
      expect(reason.endsWith(`; ${suggestion}`)).toBe(true);
    }
  }
});

test("a comparison that another one implies never fails where that one holds", () => {
  fc.assert(
    fc.property(ruleTexts, events, (texts, { payload }) => {
      const table = new PredicateTable();
      const predicates = texts.flatMap(({ conditions }) => {
        const compiled = compileConditions(conditions, table);
        return compiled.kind === "valid" ? predicatesOf(compiled.value.root) : [];
      });
      const stamp = nextStamp();
      const isHeld = (predicate: (typeof predicates)[number]): boolean => holds(predicate, payload, stamp);
      for (const one of predicates) {
        for (const other of predicates) {
          if (implies(one, other) && isHeld(one))
            expect([one, other, isHeld(other)]).toEqual([one, other, true]);
        }
      }
    }),
  );
});

/** Payloads that keep the schema, with every field that may be missing sometimes missing. */
const payloads = fc.record(
  {
    level: fc.constantFrom("info", "warning", "critical"),
    count: fc.integer({ min: 0, max: 100 }),
    ratio: fc.double({ min: 0.001, noNaN: true, noDefaultInfinity: true }),
    message: fc.constantFrom("", "disk full", "x"),
    ok: fc.boolean(),
    owner: fc.constantFrom(null, "team-a"),
    tags: fc.array(fc.constantFrom("prod", "eu")),
    ports: fc.array(fc.constantFrom(80, 443)),
    host: fc.record(
      { name: fc.constant("web-1"), zone: fc.constantFrom("eu", "us"), uptime_s: fc.nat() },
      { requiredKeys: ["name"] },
    ),
    items: fc.array(fc.record({ id: fc.nat() })),
  },
  { requiredKeys: ["level", "count", "host", "ok"] },
);

test("what is said to hold never or always does so for every payload of the schema", () => {
  const judged = mistakes
    .filter(([, , finding]) => finding !== "")
    .flatMap(([rule]) => {
      const [found = ""] = findings(rule);
      if (found.includes("can never hold")) return [{ rule, isHeld: false }];
      return found.includes("always holds") ? [{ rule, isHeld: true }] : [];
    });
  expect(judged.length).toBeGreaterThan(40);

  fc.assert(
    fc.property(payloads, (payload) => {
      for (const { rule, isHeld } of judged) {
        const verdict = explainRule(
          {
            id: "1",
            ref: "demo.r",
            triggerRef: "demo.t",
            actionId: null,
            actionRef: "demo.a",
            conditions: rule.conditions,
            triggerParams: {},
            actionParams: {},
            isEnabled: true,
          },
          {
            id: "1",
            triggerRef: "demo.t",
            payload,
            sourceRef: null,
            occurredAt: null,
            triggerInstanceId: null,
          },
        );
        expect([rule.conditions, verdict.kind]).toEqual([rule.conditions, isHeld ? "matched" : "unmatched"]);
      }
    }),
    { numRuns: 50 },
  );
});
