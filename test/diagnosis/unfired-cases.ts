/**
 * "Why did it not fire?": mistakes that people make, and the first line that must answer each.
 *
 * In every case there is a trigger `why.N`, by default a rule `rule.N` on it, and an event. `N` in a text is the number of
 * the case. Answers are compared without the numbers of events, enforcements and versions, and without times.
 */
import type { JsonObject, JsonValue } from "../../src/model/json/json.ts";

export interface UnfiredCase {
  readonly mistake: string;
  /** Null: no rule; undefined: a rule that matches everything. */
  readonly rule?: { readonly conditions?: JsonValue; readonly actionParams?: JsonValue } | null;
  /** SQL before the event. */
  readonly before?: readonly string[];
  /** Null: there is no event. */
  readonly payload?: JsonObject | null;
  /** `trigger_instance_id` of the event. */
  readonly aim?: string;
  readonly dedupKey?: string;
  /** SQL after the event. */
  readonly after?: readonly string[];
  /** The command's words after `explain`; `EVENT` is the id of the event. */
  readonly ask: readonly string[];
  readonly answer: string;
}

const field = (name: string, operator: string, value?: JsonValue): JsonObject => ({
  field: name,
  operator,
  ...(value === undefined ? {} : { value }),
});

const ofEvent = ["events", "EVENT"];

/** The rule has one condition, and the payload does not meet it. */
function unmet(mistake: string, conditions: JsonValue, payload: JsonObject, reason: string): UnfiredCase {
  return {
    mistake,
    rule: { conditions },
    payload,
    ask: ofEvent,
    answer: `event #: rule.N does not match: ${reason}`,
  };
}

export const unfiredCases: readonly UnfiredCase[] = [
  unmet(
    "a number sent as text is compared with a number",
    [field("count", "greater_than", 4)],
    { count: "5" },
    'conditions[0]: `count` is the text "5", which is never greater than the number 4 (the sensor sends the number as text; let it send a number)',
  ),
  unmet(
    "the rule has text where the payload has a number",
    [field("code", "equals", "500")],
    { code: 500 },
    'conditions[0]: `code` is the number 500, which never equals the text "500" (they differ only in type; compare with 500)',
  ),
  unmet(
    "a boolean is written as text",
    [field("ok", "equals", true)],
    { ok: "true" },
    'conditions[0]: `ok` is the text "true", which never equals true (they differ only in type; compare with "true")',
  ),
  unmet(
    "upper and lower case",
    [field("level", "equals", "critical")],
    { level: "Critical" },
    'conditions[0]: `level` is "Critical", not "critical" (they differ only in case)',
  ),
  unmet(
    "a misspelt field",
    [field("levle", "equals", "critical")],
    { level: "critical" },
    "conditions[0]: `levle` is missing (did you mean `level`?)",
  ),
  unmet(
    "a field that is deeper in the payload",
    [field("level", "equals", "critical")],
    { alert: { level: "critical" } },
    "conditions[0]: `level` is missing (the payload has `alert.level`)",
  ),
  unmet(
    "a list without an index",
    [field("alerts.status", "equals", "firing")],
    { alerts: [{ status: "firing" }] },
    "conditions[0]: `alerts.status` is missing (`alerts` is a list of 1 element; name one of them, like `alerts[0].status`)",
  ),
  unmet(
    "an index counted from one",
    [field("alerts[1].status", "equals", "firing")],
    { alerts: [{ status: "firing" }] },
    "conditions[0]: `alerts[1].status` is missing (`alerts` has 1 element, counted from 0)",
  ),
  unmet(
    "a field of a text",
    [field("user.name", "equals", "ada")],
    { user: "ada" },
    'conditions[0]: `user.name` is missing (`user` is the text "ada", which has no fields)',
  ),
  unmet(
    "a pattern in the wrong case",
    [field("message", "matches", "^error")],
    { message: "ERROR: disk full" },
    'conditions[0]: `message` is "ERROR: disk full", which does not match ^error (it would if case did not matter: put (?i) in front)',
  ),
  unmet(
    "contains with a value of another type",
    [field("tags", "contains", 7)],
    { tags: ["7"] },
    'conditions[0]: `tags` is a list of 1, which does not contain the number 7 (they differ only in type; compare with "7")',
  ),
  unmet(
    "a space at the end",
    [field("host", "equals", "db1")],
    { host: "db1 " },
    'conditions[0]: `host` is "db1 ", not "db1" (they differ only in spaces at the ends)',
  ),
  unmet(
    "an exclusion that holds",
    { not: field("branch", "starts_with", "wip/") },
    { branch: "wip/x" },
    'conditions.not: `branch` is the text "wip/x", so starts_with "wip/" holds, which the condition excludes',
  ),
  unmet(
    "one of several alternatives",
    { any: [field("level", "equals", "error"), field("level", "equals", "fatal")] },
    { level: "warn" },
    'conditions.any[0]: `level` is "warn", not "error" (and 1 more condition)',
  ),
  unmet(
    "a list of numbers for a text",
    [field("code", "in", [500, 502])],
    { code: "500" },
    'conditions[0]: `code` is the text "500", which is not one of 500 or 502 (they differ only in type; compare with "500")',
  ),
  unmet(
    "equals where contains is meant",
    [field("tags", "equals", "urgent")],
    { tags: ["urgent"] },
    'conditions[0]: `tags` is a list of 1, which never equals the text "urgent" (equals compares the whole list; contains looks for an element)',
  ),
  {
    mistake: "the event is aimed at another rule",
    aim: "rule_rule.other",
    ask: ofEvent,
    answer: "event # matched nothing: it is for the rule rule.other only, which was not on its trigger why.N",
  },
  {
    mistake: "the rule was disabled then, and is enabled now",
    before: ["update rule set enabled = false where ref = 'rule.N'"],
    after: ["update rule set enabled = true where ref = 'rule.N'"],
    ask: ofEvent,
    answer: "event #: rule.N was disabled then; its last change before was by sql:attune at TIME",
  },
  {
    mistake: "the rule was corrected only after the event",
    rule: { conditions: [field("level", "equals", "critical")] },
    payload: { level: "error" },
    after: [
      `update rule set conditions = '[{"field": "level", "operator": "equals", "value": "error"}]' where ref = 'rule.N'`,
    ],
    ask: ofEvent,
    answer: 'event #: rule.N does not match: conditions[0]: `level` is "error", not "critical"',
  },
  {
    mistake: "the rule was made after the event",
    rule: null,
    after: ["insert into rule (ref, action_ref, trigger_ref) values ('rule.N', 'core.noop', 'why.N')"],
    ask: ofEvent,
    answer: "event # matched nothing: rule.N did not exist yet: sql:attune made it at TIME, after the event",
  },
  {
    mistake: "the rule had been deleted before the event",
    before: ["delete from rule where ref = 'rule.N'"],
    ask: [...ofEvent, "--rule", "rule.N"],
    answer: "event #: rule.N was deleted before the event, by sql:attune at TIME",
  },
  {
    mistake: "a misspelt operator makes the rule invalid",
    rule: { conditions: [field("level", "equal", "critical")] },
    ask: ofEvent,
    answer:
      'event #: rule.N is invalid and matches nothing: conditions[0].operator: "equal" is not an operator; did you mean "equals"?…',
  },
  {
    mistake: "a misspelt template makes the rule invalid",
    rule: { actionParams: { text: "{{ event.payloat.x }}" } },
    ask: ofEvent,
    answer:
      'event #: rule.N is invalid and matches nothing: action_params.text: "event.payloat.x" is unknown to templates…',
  },
  {
    mistake: "the rule is for another trigger",
    before: ["update rule set trigger_ref = 'why.other' where ref = 'rule.N'"],
    ask: [...ofEvent, "--rule", "rule.N"],
    answer:
      "event #: rule.N does not match: it is a rule for the trigger why.other, and the event has the trigger why.N",
  },
  {
    mistake: "there is no rule on the trigger",
    rule: null,
    ask: ofEvent,
    answer: "event # matched nothing: there was no rule on its trigger why.N",
  },
  {
    mistake: "a misspelt ref of the rule",
    ask: [...ofEvent, "--rule", "rlue.N"],
    answer: "event #: there is no rule rlue.N, and there was none; did you mean rule.N?",
  },
  {
    mistake: "the event is a duplicate",
    dedupKey: "order-7",
    ask: ["events", "--dedup-key", "order-7", "--trigger", "why.N"],
    answer:
      'a later event with the dedup_key "order-7" is a duplicate of event #, stored at TIME, and is not stored again; event # matched rule.N (enforcement # created; its message has waited for the broker since TIME)',
  },
  {
    mistake: "the id is of no event",
    payload: null,
    ask: ["events", "888888888888"],
    answer: "there is no event #: no event has had this id yet",
  },
  {
    mistake: "it fired, and the broker refuses the message",
    after: [
      "update outbox set refused = now(), refusal = 'the exchange does not exist' where enforcement in (select id from enforcement where rule_ref = 'rule.N')",
    ],
    ask: ofEvent,
    answer:
      "event # matched rule.N (enforcement # created; the broker refuses its message: the exchange does not exist)",
  },
  {
    mistake: "it fired: the consumer lost it",
    after: ["delete from outbox where enforcement in (select id from enforcement where rule_ref = 'rule.N')"],
    ask: ofEvent,
    answer: "event # matched rule.N (enforcement # created; the broker has confirmed its message)",
  },
  {
    mistake: "the trigger is disabled",
    payload: null,
    before: ["update trigger set enabled = false where ref = 'why.N'"],
    ask: ["rules", "rule.N"],
    answer: "rule.N has nothing to match: its trigger why.N is disabled, so its events are refused",
  },
  {
    mistake: "the trigger does not exist",
    payload: null,
    before: ["update rule set trigger_ref = 'why.misspelt' where ref = 'rule.N'"],
    ask: ["rules", "rule.N"],
    answer: "rule.N has nothing to match: its trigger why.misspelt does not exist",
  },
  {
    mistake: "the trigger of the rule is misspelt",
    payload: null,
    before: [
      "insert into trigger (ref, label) values ('misspelt.pressure', 'x')",
      "update rule set trigger_ref = 'misspelt.presure' where ref = 'rule.N'",
    ],
    ask: ["rules", "rule.N"],
    answer:
      "rule.N has nothing to match: its trigger misspelt.presure does not exist; did you mean misspelt.pressure?",
  },
  {
    mistake: "no sensor reports events of the trigger",
    payload: null,
    ask: ["rules", "rule.N"],
    answer: "rule.N has had nothing to match: its trigger why.N has no stored event; no sensor serves it",
  },
  {
    mistake: "no request has reached the webhook",
    payload: null,
    before: ["update rule set trigger_ref = 'core.webhook' where ref = 'rule.N'"],
    ask: ["rules", "rule.N"],
    answer:
      "rule.N has had nothing to match: its trigger core.webhook has no stored event; `deliveries list` shows which requests to webhooks came, and what became of them",
  },
  {
    mistake: "the timer has not fired yet",
    payload: null,
    before: ["update rule set trigger_ref = 'core.crontimer' where ref = 'rule.N'"],
    ask: ["rules", "rule.N"],
    answer:
      "rule.N has had nothing to match: its trigger core.crontimer has no stored event; `timers show rule.N` says when it fires next, and what became of its slots",
  },
  {
    mistake: "all events are for other rules, and the rule is younger than them",
    rule: null,
    aim: "rule_rule.other",
    after: ["insert into rule (ref, action_ref, trigger_ref) values ('rule.N', 'core.noop', 'why.N')"],
    ask: ["rules", "rule.N"],
    answer:
      "rule.N has had nothing to match: the last event of why.N is for another rule only; no sensor serves it",
  },
  {
    mistake: "the rule is younger than all events",
    rule: null,
    after: ["insert into rule (ref, action_ref, trigger_ref) values ('rule.N', 'core.noop', 'why.N')"],
    ask: ["rules", "rule.N"],
    answer:
      "rule.N is younger than the events of its trigger: it came at TIME, and the last event, #, at TIME",
  },
  {
    mistake: "the rule is disabled",
    after: ["update rule set enabled = false where ref = 'rule.N'"],
    ask: ["rules", "rule.N"],
    answer:
      "rule.N is disabled; its last change was by sql:attune at TIME; before that, it matched the last event of why.N",
  },
  {
    mistake: "the rule was deleted",
    after: ["delete from rule where ref = 'rule.N'"],
    ask: ["rules", "rule.N"],
    answer: "rule.N was deleted by sql:attune at TIME; before that, it matched the last event of why.N",
  },
  {
    mistake: "the rule never matches what the sensor sends",
    rule: { conditions: [field("level", "equals", "critical")] },
    payload: { level: "Critical" },
    ask: ["rules", "rule.N"],
    answer:
      'rule.N did not match the last event of why.N: conditions[0]: `level` is "Critical", not "critical" (they differ only in case)',
  },
];
