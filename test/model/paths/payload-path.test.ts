import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ownPath, parsePayloadPath, payloadPathDoubt } from "../../../src/model/paths/payload-path.ts";

test.each([
  ["a", ["a"]],
  ["payload.a", ["a"]],
  ["event.payload.a", ["a"]],
  ['event["payload"].a', ["a"]],
  ["payload", []],
  ["event.payload", []],
  ["payload[0]", ["0"]],
  ["payload.payload", ["payload"]],
  ['["payload"].a', ["payload", "a"]],
  ["payloads.a", ["payloads", "a"]],
  // A key of the payload that is called like something of the platform.
  ["event", ["event"]],
  ["event[0].type", ["event", "0", "type"]],
  ["payload.event.type", ["event", "type"]],
  ["event.payload.event.type", ["event", "type"]],
  ['["event"].type', ["event", "type"]],
  ["trigger", ["trigger"]],
  ["rule.level", ["rule", "level"]],
  // Characters that mean something elsewhere, in names that payloads have.
  ["@timestamp", ["@timestamp"]],
  ["_id.$oid", ["_id", "$oid"]],
  ["and/or", ["and/or"]],
  ["io/name", ["io/name"]],
  ["paths./health", ["paths", "/health"]],
  ["cpu|usage_average", ["cpu|usage_average"]],
  ["dc:title", ["dc:title"]],
  ["First Name", ["First Name"]],
  ["Temperature (C)", ["Temperature (C)"]],
  ["Use%", ["Use%"]],
  ["length(m)", ["length(m)"]],
  // In brackets and quotes a name is taken as it is.
  ['a["*"]["#"]', ["a", "*", "#"]],
  ['["$.a"]', ["$.a"]],
  ['["{{ a }}"]', ["{{ a }}"]],
  ['labels["app.kubernetes.io/name"]', ["labels", "app.kubernetes.io/name"]],
  ['["a | upper"]', ["a | upper"]],
])("%s is %j of the payload", (text, path) => {
  expect(parsePayloadPath(text)).toEqual({ kind: "valid", value: path });
  expect(ownPath(text)).toBe(text);
});

test.each([
  // Names of the platform.
  [
    "event.type",
    'begins with "event.", but paths begin inside the payload; write type, or payload.event.type for a key "event" of the payload',
  ],
  [
    "event.id",
    'is available only in templates; paths of conditions begin inside the payload; write id, or payload.event.id for a key "event" of the payload',
  ],
  [
    "event.paylod.a",
    'begins with "event.", but paths begin inside the payload; write event.payload.a, or payload.event.paylod.a for a key "event" of the payload',
  ],
  [
    "trigger.body.x",
    'begins with "trigger.", but paths begin inside the payload; write body.x, or payload.trigger.body.x for a key "trigger" of the payload',
  ],
  [
    "trigger.event.type",
    'begins with "trigger.", but paths begin inside the payload; write payload.event.type, or payload.trigger.event.type for a key "trigger" of the payload',
  ],
  [
    "trigger_params.x",
    'begins with "trigger_params.", but paths begin inside the payload; write payload.trigger_params.x for a key "trigger_params" of the payload',
  ],
  // JSONPath, and variables of other templates.
  ["$.alerts[0]", 'begins with "$"; write alerts[0]'],
  ["$", 'begins with "$"; write payload'],
  ["$['a']['b c']", `begins with "$"; write ['a']['b c']`],
  ["$schema.x", 'begins with "$"; write ["$schema"].x for a key of that name'],
  ["$event.x", 'begins with "$"; write x'],
  ["$json.body.x", 'begins with "$"; write body.x'],
  ["$.items[*].id", 'begins with "$"; name one element, such as items[0].id'],
  ["@.x", 'begins with "@"; write x'],
  // JSON Pointer.
  ["/a/b", 'begins with "/"; write a.b, or ["/a/b"] for a key of that name'],
  ["/a~1b/0", 'begins with "/"; write ["a/b"][0], or ["/a~1b/0"] for a key of that name'],
  ["/event/type", 'begins with "/"; write payload.event.type, or ["/event/type"] for a key of that name'],
  ["#/a", 'begins with "#/"; write a, or ["#/a"] for a key of that name'],
  // jq.
  [".a.b", "begins with a dot; write a.b"],
  [".", "begins with a dot; write payload"],
  ['."a.b".c', 'begins with a dot; write ["a.b"].c'],
  [".tags[]", "begins with a dot; use tags with the operator contains, or one element, such as tags[0]"],
  ['labels."a.b/c"', 'has quotes outside of brackets; write labels["a.b/c"]'],
  // gjson.
  [
    "alerts.#.labels.severity",
    "selects several values, but a path selects one; name one element, such as alerts[0].labels.severity",
  ],
  [
    "alerts.#",
    "selects several values, but a path selects one; use alerts with the operator contains, or one element, such as alerts[0]",
  ],
  ['tags.#(k=="a").v', "selects several values, but a path selects one; name one element, such as tags[0].v"],
  [String.raw`labels.app\.kubernetes\.io/name`, 'has an escaped dot; write labels["app.kubernetes.io/name"]'],
  ["a.@reverse.0", "has a gjson modifier; paths have none"],
  // Several places.
  ["*", "selects several values, but a path selects one"],
  ["a.*.b", "selects several values, but a path selects one; name one element, such as a[0].b"],
  ["a[*].b", "selects several values, but a path selects one; name one element, such as a[0].b"],
  ["a[?(@.b[0] == 1)].c", "selects several values, but a path selects one; name one element, such as a[0].c"],
  [
    "a[1:3]",
    "selects several values, but a path selects one; use a with the operator contains, or one element, such as a[0]",
  ],
  ["a[-1].b", "counts from the end, but indexes count from the beginning; the first element is a[0].b"],
  // Templates.
  ["{{ event.payload.x }}", "is in braces; paths have none; write event.payload.x"],
  ["${x}", "is in braces; paths have none; write x"],
  ["<% $.x %>", "is in braces; paths have none; write x"],
  ["a.{{ b }}", "contains a template; a path is constant"],
  ["{{ trigger.a.#.b }}", "is in braces; paths have none; name one element, such as a[0].b"],
  // Others.
  ["a[b].c", "has a name in brackets without quotes; write a.b.c"],
  ["a?.b", "has an operator instead of a dot between two names; write a.b"],
  ["data->'a'->>'b'", "has an operator instead of a dot between two names; write data.a.b"],
  ["x | upper", "has a filter; paths have none; x is the value itself"],
  ["User|contains", "has a filter; paths have none; User is the value itself"],
  ["now()", "calls a function; paths have none"],
  ["upper(event.payload.x)", "calls a function; paths have none"],
  ["item.#text", 'has "#" in it; write item["#text"] for a key of that name'],
  ["C#", 'has "#" in it; write ["C#"] for a key of that name'],
  ["a*b", 'has "*" in it; write ["a*b"] for a key of that name'],
  // A label's key, cut at its dots.
  [
    "labels.app.kubernetes.io/name",
    'looks for a key "io/name", since each dot begins a new name; write labels["app.kubernetes.io/name"], or labels.app.kubernetes["io/name"] for that key',
  ],
  [
    "payload.metadata.annotations.prometheus.io/scrape",
    'looks for a key "io/scrape", since each dot begins a new name; write payload.metadata.annotations["prometheus.io/scrape"], or payload.metadata.annotations.prometheus["io/scrape"] for that key',
  ],
  // No path at all.
  ["a.", "is not a path: no name can be read at character 2"],
  ["a..b", "is not a path: no name can be read at character 2"],
])("%s is refused: it %s", (text, problem) => {
  expect(parsePayloadPath(text)).toEqual({ kind: "invalid", problem: `"${text}" ${problem}` });
});

test.each([
  [" branch", "has a name that begins or ends with a space"],
  ["a .b", "has a name that begins or ends with a space"],
  ["paylaod.x", 'begins with "paylaod"; did you mean "payload"?'],
  [
    "labels.team.corp/name",
    'looks for a key "corp/name", since each dot begins a new name; write labels["team.corp/name"], or labels.team["corp/name"] for that key',
  ],
])("%s can be used and leaves a doubt: it %s", (text, doubt) => {
  expect(parsePayloadPath(text).kind).toBe("valid");
  expect(payloadPathDoubt(text)).toBe(`"${text}" ${doubt}`);
});

test.each(["a.b", "payload.x", "payloads.x", "preload.x", "First Name.x", "spec.io/name", "paths./health"])(
  "%s leaves no doubt",
  (text) => {
    expect(payloadPathDoubt(text)).toBeUndefined();
  },
);

// Goal: advice that can be followed. Method: texts of all the characters that mean something somewhere.
test("what is suggested for any text can be used", () => {
  const pieces = fc.constantFrom(
    ..."$ @ . .. / # * [ ] ( ) { } ? | \" ' [0] [-1] [*] ['a'] [\"b.c\"] {{ }} -> \\. : ~1 a b event payload trigger io/n".split(
      " ",
    ),
  );
  fc.assert(
    fc.property(fc.array(pieces, { minLength: 1, maxLength: 10 }), (parts) => {
      const text = parts.join("");
      const parsed = parsePayloadPath(text);
      const own = ownPath(text);
      if (own !== undefined) expect(parsePayloadPath(own).kind).toBe("valid");
      if (parsed.kind === "valid") expect(own).toBe(text);
      else expect(parsed.problem).not.toMatch(/undefined|write *$/);
    }),
    { numRuns: 3_000 },
  );
});
