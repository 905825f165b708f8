/**
 * Events for one rule only, with a trigger_instance_id of `rule_<id>` or `rule_<ref>`. Sensors also use
 * trigger_instance_id for names of their own, so any other value addresses no rule.
 */
const prefix = "rule_";

/** The id or ref of the only rule that the event is for; undefined if it is for all rules. */
export function aimedRule(triggerInstanceId: string | null): string | undefined {
  return triggerInstanceId?.startsWith(prefix) ? triggerInstanceId.slice(prefix.length) : undefined;
}

/** The trigger_instance_id that addresses this rule. */
export function aimAt(rule: string): string {
  return prefix + rule;
}
