/**
 * Events for one rule only, with a trigger_instance_id of `rule_<id>` or `rule_<ref>`. Sensors also use
 * trigger_instance_id for names of their own, so any other value addresses no rule.
 */
const prefix = "rule_";

/** The id or ref of the only rule that the event is for; undefined if it is for all rules. */
export function aimedRule(triggerInstanceId: string | null): string | undefined {
  return triggerInstanceId?.startsWith(prefix) ? triggerInstanceId.slice(prefix.length) : undefined;
}

const refLengthMax = 255;

/**
 * Why no rule can have the ref or id that it names. Names that it does not have are kept with the event, and lists show them,
 * so they must be storable and short.
 */
export function aimProblem(triggerInstanceId: string | null): string | undefined {
  const rule = aimedRule(triggerInstanceId);
  if (rule === undefined) return undefined;
  if (rule.length > refLengthMax)
    return `its trigger_instance_id names a rule with ${rule.length} characters, and a ref has at most ${refLengthMax}`;
  if (rule.includes("\0") || !rule.isWellFormed())
    return "its trigger_instance_id has characters that no ref of a rule can have";
  return undefined;
}

/** The trigger_instance_id that addresses this rule. */
export function aimAt(rule: string): string {
  return prefix + rule;
}
