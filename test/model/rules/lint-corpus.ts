/** Rules with a mistake each, and rules without any, on one trigger with a schema. */
import type { JsonObject, JsonValue } from "../../../src/model/json/json.ts";

export const outSchema: JsonObject = {
  type: "object",
  properties: {
    level: { enum: ["info", "warning", "critical"] },
    count: { type: "integer", minimum: 0, maximum: 100 },
    ratio: { type: "number", exclusiveMinimum: 0 },
    message: { type: "string" },
    ok: { type: "boolean" },
    owner: { type: ["string", "null"] },
    tags: { type: "array", items: { type: "string" } },
    ports: { type: "array", items: { type: "integer" } },
    host: {
      type: "object",
      properties: {
        name: { type: "string" },
        zone: { enum: ["eu", "us"] },
        uptime_s: { type: "number", minimum: 0 },
      },
      required: ["name"],
    },
    items: {
      type: "array",
      items: { type: "object", properties: { id: { type: "integer" } }, required: ["id"] },
    },
    labels: { type: "object", additionalProperties: { type: "string" } },
    raw: {},
    either: { anyOf: [{ type: "string" }, { type: "integer" }] },
  },
  required: ["level", "count", "host", "ok"],
};

const is = (field: string, operator: string, value: JsonValue): JsonObject => ({ field, operator, value });
const has = (field: string, operator = "exists"): JsonObject => ({ field, operator });

export interface CorpusRule {
  readonly conditions: JsonValue;
  readonly actionParams?: JsonObject;
}

const template = (text: string): CorpusRule => ({ conditions: null, actionParams: { text } });
const rule = (...conditions: JsonValue[]): CorpusRule => ({ conditions });

/** Each with the beginning of the place and a part of the finding. */
export const mistakes: readonly (readonly [CorpusRule, place: string, finding: string])[] = [
  // Values that never occur.
  [rule(is("level", "equals", "Critical")), "conditions[0]", 'did you mean "critical"?'],
  [rule(is("level", "equals", "critcal")), "conditions[0]", 'did you mean "critical"?'],
  [rule(is("level", "equals", "error")), "conditions[0]", "can never hold"],
  [rule(is("level", "equals", 3)), "conditions[0]", "can never hold"],
  [rule(is("level", "in", ["error", "fatal"])), "conditions[0]", "can never hold"],
  [rule(is("level", "in", ["critical", "fatal"])), "conditions[0].value", 'lists "fatal"'],
  [rule(is("level", "starts_with", "err")), "conditions[0]", "can never hold"],
  [rule(is("level", "matches", "^CRIT")), "conditions[0]", "can never hold"],
  [rule(is("level", "contains", "fatal")), "conditions[0]", "can never hold"],
  [rule(is("level", "greater_than", 2)), "conditions[0]", "can never hold"],
  [rule(is("host.zone", "equals", "EU")), "conditions[0]", 'did you mean "eu"?'],
  [rule(is("host.zone", "equals", "asia")), "conditions[0]", "can never hold"],
  [rule(is("ok", "equals", "true")), "conditions[0]", "true or false"],
  [rule(is("ok", "equals", 1)), "conditions[0]", "can never hold"],
  [rule(is("ok", "in", ["yes", "no"])), "conditions[0]", "can never hold"],
  // Types.
  [rule(is("count", "equals", "5")), "conditions[0]", "is a number"],
  [rule(is("count", "starts_with", "5")), "conditions[0]", "can never hold"],
  [rule(is("count", "matches", "^5")), "conditions[0]", "can never hold"],
  [rule(is("count", "contains", "5")), "conditions[0]", "can never hold"],
  [rule(is("count", "in", ["1", "2"])), "conditions[0]", "can never hold"],
  [rule(is("message", "greater_than", 5)), "conditions[0]", "is text"],
  [rule(is("message", "equals", 5)), "conditions[0]", "can never hold"],
  [rule(is("message", "equals", null)), "conditions[0]", "can never hold"],
  [rule(is("owner", "equals", false)), "conditions[0]", "text or null"],
  [rule(is("owner", "less_than", 1)), "conditions[0]", "can never hold"],
  [rule(is("tags", "equals", "prod")), "conditions[0]", "is a list"],
  [rule(is("tags", "starts_with", "prod")), "conditions[0]", "can never hold"],
  [rule(is("tags", "contains", 5)), "conditions[0]", "can never hold"],
  [rule(is("ports", "contains", "80")), "conditions[0]", "can never hold"],
  [rule(is("ports", "greater_than", 80)), "conditions[0]", "can never hold"],
  [rule(is("host", "equals", "web-1")), "conditions[0]", "is an object"],
  [rule(is("items[0].id", "equals", "7")), "conditions[0]", "can never hold"],
  // Bounds.
  [rule(is("count", "greater_than", 100)), "conditions[0]", "at most 100"],
  [rule(is("count", "greater_than_or_equal", 101)), "conditions[0]", "can never hold"],
  [rule(is("count", "less_than", 0)), "conditions[0]", "at least 0"],
  [rule(is("count", "equals", 150)), "conditions[0]", "can never hold"],
  [rule(is("count", "greater_than_or_equal", 0)), "conditions[0]", "always holds"],
  [rule(is("count", "less_than_or_equal", 100)), "conditions[0]", "always holds"],
  [rule(is("ratio", "less_than_or_equal", 0)), "conditions[0]", "above 0"],
  [rule(is("host.uptime_s", "less_than", 0)), "conditions[0]", "can never hold"],
  // Conditions that are always or never true by presence.
  [rule(has("level")), "conditions[0]", "always holds"],
  [rule(has("level", "not_exists")), "conditions[0]", "can never hold"],
  [rule(has("host.name")), "conditions[0]", "always holds"],
  [rule(is("level", "not_equals", "error")), "conditions[0]", "always holds"],
  [rule(is("level", "not_in", ["error", "fatal"])), "conditions[0]", "always holds"],
  [rule(is("message", "not_equals", 5)), "conditions[0]", "always holds"],
  // Fields that are not declared.
  [rule(is("levle", "equals", "info")), "conditions[0].field", "did you mean `level`?"],
  [rule(is("Level", "equals", "info")), "conditions[0].field", "did you mean `level`?"],
  [rule(is("host.nmae", "equals", "x")), "conditions[0].field", "did you mean `host.name`?"],
  [rule(is("host.uptimeS", "greater_than", 1)), "conditions[0].field", "did you mean `host.uptime_s`?"],
  [rule(is("severity", "equals", "critical")), "conditions[0].field", "does not declare"],
  [rule(is("message.text", "equals", "x")), "conditions[0].field", "below `message`"],
  [rule(is("items[0].name", "equals", "x")), "conditions[0].field", "does not declare"],
  [rule({ not: is("levle", "equals", "info") }), "conditions[0].not.field", "did you mean"],
  [
    { conditions: { any: [is("count", "greater_than", 5), is("cuont", "less_than", 2)] } },
    "conditions.any[1].field",
    "`count`",
  ],
  // Conditions without effect.
  [
    rule(is("count", "greater_than", 5), is("count", "greater_than", 3)),
    "conditions[1]",
    "conditions[0] demands more",
  ],
  [rule(is("count", "less_than", 5), is("count", "less_than", 5)), "conditions[1]", "repeats conditions[0]"],
  [rule(is("level", "equals", "critical"), is("level", "not_equals", "info")), "conditions[1]", "no effect"],
  [
    rule(is("level", "equals", "critical"), is("level", "in", ["warning", "critical"])),
    "conditions[1]",
    "no effect",
  ],
  [rule(has("message"), is("message", "contains", "disk")), "conditions[0]", "no effect"],
  [
    rule(is("message", "starts_with", "disk full"), is("message", "starts_with", "disk")),
    "conditions[1]",
    "no effect",
  ],
  [
    { conditions: { any: [is("count", "greater_than", 5), is("count", "greater_than", 3)] } },
    "conditions.any[0]",
    "holds whenever it does",
  ],
  // Patterns that cannot match.
  [rule(is("message", "matches", "disk ^full")), "conditions[0].value", "has ^"],
  [rule(is("message", "matches", "full$ now")), "conditions[0].value", "has $"],
  // Templates.
  [template("{{ event.payload.mesage }}"), "action_params.text", "did you mean `message`?"],
  [template("on {{ payload.host.nam }}"), "action_params.text", "did you mean `host.name`?"],
  [template("{{ event.payload.message.text }}"), "action_params.text", "below `message`"],
  [template("{{ severity }}"), "action_params.text", "does not declare"],
  // Mistakes that only a person who knows the platform sees: nothing is found.
  [rule(is("message", "equals", "Disk full")), "", ""],
  [rule(is("message", "matches", "disk|full")), "", ""],
  [rule(is("count", "greater_than", 5), { any: [is("count", "greater_than", 3)] }), "", ""],
  [rule(is("labels.team", "equals", 5)), "", ""],
];

export const sound: readonly CorpusRule[] = [
  rule(),
  { conditions: null },
  rule(is("level", "equals", "critical")),
  rule(is("level", "in", ["warning", "critical"])),
  rule(is("level", "not_equals", "info")),
  rule(is("level", "matches", "^(warning|critical)$")),
  rule(is("level", "starts_with", "crit")),
  rule(is("count", "equals", 5)),
  rule(is("count", "greater_than", 0)),
  rule(is("count", "greater_than_or_equal", 100)),
  rule(is("count", "less_than", 100), is("count", "greater_than", 10)),
  rule(is("ratio", "greater_than", 0.5)),
  rule(is("message", "contains", "disk")),
  rule(is("message", "matches", "(?i)disk$")),
  rule(is("message", "matches", "^a|b$")),
  rule(is("message", "matches", "cost: \\$5")),
  rule(is("message", "matches", "[^a]$")),
  rule(is("message", "matches", "(?m)^a$\n^b$")),
  rule(has("message")),
  rule(has("message", "not_exists")),
  rule(is("ok", "equals", false)),
  rule(is("owner", "equals", null)),
  rule(is("owner", "not_equals", null)),
  rule(is("owner", "starts_with", "team-")),
  rule(is("tags", "contains", "prod")),
  rule(is("tags", "equals", ["prod"])),
  rule(is("tags[0]", "equals", "prod")),
  rule(is("ports", "contains", 80)),
  rule(is("host.name", "ends_with", ".eu")),
  rule(is("host.zone", "equals", "eu")),
  rule(has("host.zone")),
  rule(is("host.uptime_s", "less_than", 60)),
  rule(is("items[0].id", "greater_than", 7)),
  rule(has("items[0]")),
  rule(is("labels.team", "equals", "core")),
  rule(is('labels["app.kubernetes.io/name"]', "equals", "web")),
  rule(is("raw", "equals", 5)),
  rule(is("raw.anything.deep", "equals", "x")),
  rule(is("either", "equals", "x")),
  rule(is("either", "greater_than", 5)),
  rule(is("count", "greater_than", 5), is("ratio", "greater_than", 3)),
  rule(is("message", "starts_with", "disk"), is("message", "ends_with", "full")),
  rule(is("message", "contains", "disk"), is("message", "contains", "full")),
  { conditions: { any: [is("level", "equals", "critical"), is("count", "greater_than", 90)] } },
  { conditions: { not: is("host.zone", "equals", "us") } },
  { conditions: { all: [has("message"), { any: [is("ok", "equals", false), is("count", "equals", 0)] }] } },
  template("{{ event.payload.message }} on {{ host.name }}"),
  template("{{ trigger_params.anything }} {{ rule.ref }} {{ event.id }} {{ 'text' }}"),
  template("{{ labels.team }} {{ raw.x }} {{ items[0].id }} {{ payload }}"),
  template("no template"),
];
