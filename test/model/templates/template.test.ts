import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../../../src/model/json/json.ts";
import { compileTemplates, render } from "../../../src/model/templates/template.ts";
import { TextBudget, TextBudgetError } from "../../../src/model/texts/text-budget.ts";
import { eventFacts } from "../rules/generated-rules.ts";

const scope = {
  event: eventFacts({
    id: "67",
    triggerRef: "github.push",
    sourceRef: "github.webhook",
    occurredAt: "2026-11-21T10:00:00.000Z",
    payload: {
      n: 1.5,
      flag: false,
      nothing: null,
      list: [{ name: "a b" }],
      text: "{{ event.id }}",
      "dotted.key": "d",
      "First Name": "Ada",
      rule: { level: 7 },
      event: { type: "message" },
      payload: "p",
      "@timestamp": "now",
    },
  }),
  rule: { id: "12", ref: "p.rule", triggerParams: { threshold: 90 } },
};

const cases: readonly (readonly [template: string, rendered: JsonValue])[] = [
  ["{{ event.payload.n }}", 1.5],
  ["{{event.payload.flag}}", false],
  ["{{ event.payload.list }}", [{ name: "a b" }]],
  ["{{ event.payload.list[0].name }}", "a b"],
  ["{{ event.payload.list.0.name }}!", "a b!"],
  ['{{ event.payload["dotted.key"] }}', "d"],
  ["{{ event.payload.nothing }}", null],
  // The forms that conditions have.
  ["{{ payload.n }}", 1.5],
  ["{{ n }}", 1.5],
  ["{{ list[0].name }} {{ payload.list.0.name }}", "a b a b"],
  ['{{ ["dotted.key"] }}', "d"],
  ["{{ @timestamp }}", "now"],
  ["{{ missing.deeper }}", null],
  ["{{ payload.First Name }}", "Ada"],
  // Names of the platform come first; the payload's own key of such a name is reached by the other forms.
  ["{{ rule.ref }}", "p.rule"],
  ["{{ payload.rule.level }}", 7],
  ["{{ payload.event.type }}", "message"],
  ['{{ ["event"].type }}', "message"],
  ["{{ event.payload.payload }} {{ payload.payload }}", "p p"],
  ["{{ event.payload.missing.deeper }}", null],
  ["[{{ event.payload.missing }}][{{ event.payload.nothing }}]", "[][]"],
  ["{{ event.payload.n }}/{{ event.payload.flag }}/{{ event.payload.list }}", '1.5/false/[{"name":"a b"}]'],
  [" {{ event.payload.n }}", " 1.5"],
  ["{{ event.id }}", 67],
  [
    "event {{ event.id }} of {{ event.trigger_ref }} by {{ event.source_ref }}",
    "event 67 of github.push by github.webhook",
  ],
  ["{{ event.occurred_at }}", "2026-11-21T10:00:00.000Z"],
  ["{{ rule.ref }} {{ rule.id }}", "p.rule 12"],
  ["{{ trigger_params.threshold }}", 90],
  ["{{ trigger_params }}", { threshold: 90 }],
  ["{{ event.payload.text }}", "{{ event.id }}"],
  ['{{ "{{" }} kept }}', "{{ kept }}"],
  ["{{ '}}' }}", "}}"],
  ["{{ event.payload.constructor }}", null],
  ["{{ event.payload.__proto__.polluted }}", null],
  ["no template } { here", "no template } { here"],
];

test.each(cases)("%s becomes %j", (text, rendered) => {
  expect(renderAll({ deep: [{ text }] })).toEqual({ deep: [{ text: rendered }] });
});

const unusable: readonly (readonly [params: JsonObject, problem: string])[] = [
  [
    { a: ["{{ event.payload.x"] },
    'action_params.a[0]: "{{" is not closed; write {{ "{{" }} for the braces themselves',
  ],
  [
    { a: "{{ event.trigger_reff }}" },
    'action_params.a: "event.trigger_reff" is unknown to templates; did you mean "event.trigger_ref"? Or write payload.event.trigger_reff for a key "event" of the payload',
  ],
  [
    { a: "{{ event.payload.x | upper }}", b: "{{ f() }}" },
    'action_params.a: "event.payload.x | upper" has a filter; paths have none; event.payload.x is the value itself; action_params.b: "f()" calls a function; paths have none',
  ],
  [{ a: "{{ event.id.x }}" }, expect.stringContaining('"event.id.x" is unknown')],
  [
    { a: "{{ event }}" },
    'action_params.a: "event" is unknown to templates; use one of event.id, event.trigger_ref, event.source_ref, event.occurred_at, event.payload, or write payload.event for a key "event" of the payload',
  ],
  [
    { a: "{{ event.body.text }}" },
    'action_params.a: "event.body.text" is unknown to templates; did you mean "event.payload.body.text"? Or write payload.event.body.text for a key "event" of the payload',
  ],
  [
    { a: "{{ rule.level }}" },
    'action_params.a: "rule.level" is unknown to templates; use one of rule.id, rule.ref, or write payload.rule.level for a key "rule" of the payload',
  ],
  [{ a: "{{ event.payloat.x }}" }, expect.stringContaining('did you mean "event.payload.x"?')],
  [{ a: "{{ evnt.payload.x }}" }, expect.stringContaining('did you mean "event.payload.x"?')],
  [{ a: "{{ paylod.x }}" }, expect.stringContaining('did you mean "payload.x"?')],
  [{ a: "{{ trigger_param.x }}" }, expect.stringContaining('did you mean "trigger_params.x"?')],
  [{ a: "{{ trigger.body.x }}" }, expect.stringContaining('begins with "trigger."')],
  [{ a: "{{ $.x }}" }, 'action_params.a: "$.x" begins with "$"; write x'],
  [{ a: "{{ .Payload.x }}" }, 'action_params.a: ".Payload.x" begins with a dot; write Payload.x'],
  [
    { a: "{{ event.payload.items[*].id }}" },
    expect.stringContaining("name one element, such as event.payload.items[0].id"),
  ],
  [{ a: "{{ x == 1 }}" }, 'action_params.a: "x == 1" is more than a path, but templates cannot compute'],
  [
    { a: "{{ event.payload.x or 'none' }}" },
    `action_params.a: "event.payload.x or 'none'" is more than a path, but templates cannot compute`,
  ],
  [
    { a: "{{ event.payload.x + payload.y }}" },
    expect.stringContaining("is more than a path, but templates cannot compute"),
  ],
  [
    { a: "{{ if x }}" },
    'action_params.a: "if x" is more than a path, but templates cannot compute; write ["if x"] for a key of that name',
  ],
  [
    { a: "{{ true }}" },
    'action_params.a: "true" is a constant; write it without braces, or payload.true for a key of that name',
  ],
  [
    { a: "{{ }}", b: "{{ event. }}" },
    'action_params.a: is empty; action_params.b: "event." is not a path: no name can be read at character 6',
  ],
  [{ a: "{{event.id}}".repeat(257) }, "action_params: has more than 256 templates"],
];

test.each(unusable)("refuses %j", (params, problem) => {
  expect(compileTemplates(params, "action_params")).toEqual({ kind: "invalid", problem });
});

test("a value without a template is passed on unchanged", () => {
  const params = { a: [1, { b: "text" }], c: null };

  expect(compileTemplates(params, "action_params")).toEqual({
    kind: "valid",
    value: { kind: "constant", value: params },
  });
  expect(renderAll(params)).toBe(params);
});

test("a key called __proto__ stays a key", () => {
  const rendered = renderAll(JSON.parse('{"__proto__": {"id": "{{ event.id }}"}}'));

  expect(JSON.stringify(rendered)).toBe('{"__proto__":{"id":67}}');
  expect(Object.getPrototypeOf(rendered)).toBe(Object.prototype);
});

test("parameters nested too deep are refused without going all the way down", () => {
  let params: JsonObject = { a: "{{ event.id }}" };
  for (let depth = 0; depth < 50_000; depth += 1) params = { a: params };

  expect(compileTemplates(params, "p")).toMatchObject({
    kind: "invalid",
    problem: expect.stringContaining("nested more than 32"),
  });
});

// Goal: rendering is total, and text without braces always survives.
test("never throws, whatever the parameters and the payload", () => {
  const texts = fc
    .array(fc.oneof(fc.constantFrom("{{", "}}", "event.payload", ".x", "[0]", '"', "'", " "), fc.string()), {
      maxLength: 8,
    })
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(texts, fc.jsonValue(), (text, x) => {
      const compiled = compileTemplates({ text }, "p");
      if (compiled.kind === "invalid") {
        expect(text).toContain("{{");
        return;
      }
      const event = eventFacts({ payload: JSON.parse(JSON.stringify({ x })) });
      const rendered = render(compiled.value, { ...scope, event, budget: new TextBudget() });
      if (!text.includes("{{")) expect(rendered).toEqual({ text });
    }),
    { numRuns: 2_000 },
  );
});

test("a result that is too large is not built, neither as one text nor as a whole value", () => {
  let written = 0;
  const x = Object.defineProperty(["12345678"], "toJSON", { value: () => (written += 1) });
  for (const param of ["a {{ event.payload.x }}".repeat(100), Array(100).fill("{{ event.payload.x }}")]) {
    const compiled = compileTemplates({ param }, "p");
    if (compiled.kind === "invalid") throw new Error(compiled.problem);
    const event = eventFacts({ payload: { x } });

    expect(() => render(compiled.value, { ...scope, event, budget: new TextBudget(20) })).toThrow(
      TextBudgetError,
    );
  }
  expect(written).toBeLessThan(10);
});

test("texts are bounded all together", () => {
  const twice = compileTemplates({ a: "{{ event.payload.x }}!", b: "{{ event.payload.x }}!" }, "p");
  if (twice.kind === "invalid") throw new Error(twice.problem);
  const event = eventFacts({ payload: { x: "12345" } });
  const within = (characters: number): unknown =>
    render(twice.value, { ...scope, event, budget: new TextBudget(characters) });

  expect(within(12)).toEqual({ a: "12345!", b: "12345!" });
  expect(() => within(11)).toThrow(TextBudgetError);
});

function renderAll(params: JsonObject): JsonObject {
  const compiled = compileTemplates(params, "action_params");
  if (compiled.kind === "invalid") throw new Error(compiled.problem);
  return render(compiled.value, { ...scope, budget: new TextBudget() });
}
