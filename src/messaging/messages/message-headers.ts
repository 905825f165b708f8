/**
 * The headers of messages: what a consumer may route or filter by without parsing the body. The last ones are kept, because
 * most messages of a batch have the same.
 */
let lastEventHeaders = messageHeaders({ installationId: "", triggerRef: "" });

export function eventHeaders(installationId: string, triggerRef: string): Readonly<Record<string, string>> {
  const { installation_id, trigger_ref } = lastEventHeaders;
  if (installation_id !== installationId || trigger_ref !== triggerRef)
    lastEventHeaders = messageHeaders({ installationId, triggerRef });
  return lastEventHeaders;
}

let lastEnforcementHeaders = messageHeaders({ installationId: "", triggerRef: "" });

export function enforcementHeaders(about: EnforcementHeaders): Readonly<Record<string, string>> {
  const { installation_id, trigger_ref, rule_ref, action_ref } = lastEnforcementHeaders;
  const isSame =
    installation_id === about.installationId &&
    trigger_ref === about.triggerRef &&
    rule_ref === about.ruleRef &&
    (action_ref ?? null) === about.actionRef;
  if (!isSame) lastEnforcementHeaders = messageHeaders(about);
  return lastEnforcementHeaders;
}

interface EnforcementHeaders {
  readonly installationId: string;
  readonly triggerRef: string;
  readonly ruleRef: string;
  readonly actionRef: string | null;
}

/** The pack is that of the rule, or of the trigger where there is none; a ref is the pack's, a dot and a name. */
export function messageHeaders(about: {
  readonly installationId: string;
  readonly triggerRef: string;
  readonly ruleRef?: string;
  readonly actionRef?: string | null;
}): Readonly<Record<string, string>> {
  const { installationId, triggerRef, ruleRef, actionRef } = about;
  const headers: Record<string, string> = { installation_id: installationId, trigger_ref: triggerRef };
  if (ruleRef !== undefined) headers["rule_ref"] = ruleRef;
  if (typeof actionRef === "string") headers["action_ref"] = actionRef;
  const owner = ruleRef ?? triggerRef;
  const dot = owner.indexOf(".");
  if (dot > 0) headers["pack_ref"] = owner.slice(0, dot);
  return headers;
}
