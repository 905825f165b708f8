/**
 * Events aimed at one rule: a trigger_instance_id of `rule_<id>` or `rule_<ref>`. Sensors also use
 * trigger_instance_id for names of their own, so whatever does not begin like that aims at no rule.
 */
const prefix = "rule_";

/** The id or the ref of the rule that the event is aimed at; undefined when it is for all of them. */
export function aimedRule(triggerInstanceId: string | null): string | undefined {
  return triggerInstanceId?.startsWith(prefix) ? triggerInstanceId.slice(prefix.length) : undefined;
}

/** The trigger_instance_id that aims at this rule. */
export function aimAt(rule: string): string {
  return prefix + rule;
}
