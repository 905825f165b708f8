/**
 * The endpoints of all webhooks, by key and by path.
 *
 * Rules with the same path and method share an endpoint, and each gets its own event, if all their settings are equal.
 * Otherwise the oldest rule keeps the endpoint and the others are not served, visibly.
 */
import type { Id } from "../identifiers.ts";
import type { JsonObject } from "../json/json.ts";
import {
  decodeWebhookConfig,
  decodeWebhookRoute,
  isOpen,
  trimmedPath,
  webhookMethods,
  type EndpointSettings,
  type WebhookMethod,
} from "./endpoint-settings.ts";

const webhookTriggerRef = "core.webhook";

export interface WebhookRule {
  readonly id: Id;
  readonly ref: string;
  readonly packRef: string | null;
  readonly params: JsonObject;
}

export interface WebhookTrigger {
  readonly id: Id;
  readonly ref: string;
  readonly packRef: string | null;
  readonly key: string;
  readonly config: JsonObject;
}

export interface EndpointTarget {
  readonly id: Id;
  readonly ref: string;
}

export interface Endpoint {
  /** Tells endpoints apart on all agents. */
  readonly id: string;
  readonly triggerRef: string;
  /** Rules that each get an event; null: the event is for all rules of the trigger. */
  readonly rules: readonly EndpointTarget[] | null;
  /** Of these rules, or of the trigger. */
  readonly packRefs: readonly (string | null)[];
  readonly settings: EndpointSettings;
}

export interface EndpointProblem {
  /** Of the rule or the trigger. */
  readonly ref: string;
  readonly problem: string;
}

export interface EndpointTable {
  readonly byKey: ReadonlyMap<string, Endpoint>;
  readonly byPath: ReadonlyMap<string, ReadonlyMap<WebhookMethod, Endpoint>>;
  /** Why rules and triggers have no endpoint. */
  readonly problems: readonly EndpointProblem[];
  /** Rules and triggers to whose endpoints anyone can send events. */
  readonly open: readonly string[];
}

export function endpointTable(
  rules: readonly WebhookRule[],
  triggers: readonly WebhookTrigger[],
): EndpointTable {
  const problems: EndpointProblem[] = [];
  const open: string[] = [];
  const byPath = new Map<string, Map<WebhookMethod, Endpoint>>();
  for (const rule of rules.toSorted((one, other) => compareIds(one.id, other.id))) {
    const decoded = decodeWebhookRoute(rule.params);
    if (decoded.kind === "invalid") {
      problems.push(
        ...decoded.problems.map(({ path, problem }) => ({
          ref: rule.ref,
          problem: `trigger_params.${path} ${problem}`,
        })),
      );
      continue;
    }
    const { path, methods, settings } = decoded.value;
    if (isOpen(settings)) open.push(rule.ref);
    let endpoints = byPath.get(path);
    if (endpoints === undefined) byPath.set(path, (endpoints = new Map()));
    for (const method of methods) {
      const present = endpoints.get(method);
      const target = { id: rule.id, ref: rule.ref };
      if (present !== undefined && !areEqual(present.settings, settings)) {
        const problem = conflictProblem(method, path, present.rules?.[0]?.ref ?? "");
        problems.push({ ref: rule.ref, problem });
        continue;
      }
      endpoints.set(method, {
        id: `path/${path}`,
        triggerRef: webhookTriggerRef,
        rules: [...(present?.rules ?? []), target],
        packRefs: [...(present?.packRefs ?? []), rule.packRef],
        settings,
      });
    }
  }
  const byKey = new Map<string, Endpoint>();
  for (const { id: trigger, ref, packRef, key, config } of triggers) {
    const decoded = decodeWebhookConfig(config);
    if (decoded.kind === "valid") {
      // The key in the URL is a secret, so such an endpoint is never open.
      const id = `trigger/${trigger}`;
      byKey.set(key, { id, triggerRef: ref, rules: null, packRefs: [packRef], settings: decoded.value });
    } else {
      problems.push(
        ...decoded.problems.map(({ path, problem }) => ({
          ref,
          problem: `webhook_config.${path} ${problem}`,
        })),
      );
    }
  }
  return { byKey, byPath, problems, open };
}

/** A rule of `core.webhook` that is to be served. */
export type ServedRule = Pick<WebhookRule, "ref" | "params">;

/**
 * Why rules cannot be saved beside others: another one answers the same requests with other settings. At most one reason for
 * each rule. Params that are not valid are left out.
 */
export function endpointConflicts(
  saved: readonly ServedRule[],
  others: readonly ServedRule[],
): readonly EndpointProblem[] {
  const owners = new Map<string, { readonly ref: string; readonly settings: EndpointSettings }>();
  const problems = new Map<string, EndpointProblem>();
  for (const { ref, params } of [...others, ...saved]) {
    const decoded = decodeWebhookRoute(params);
    if (decoded.kind === "invalid") continue;
    const { path, methods, settings } = decoded.value;
    for (const method of methods) {
      const request = `${method} /webhooks/${path}`;
      const owner = owners.get(request);
      if (owner === undefined) owners.set(request, { ref, settings });
      else if (!areEqual(owner.settings, settings) && !problems.has(ref))
        problems.set(ref, { ref, problem: conflictProblem(method, path, owner.ref) });
    }
  }
  const savedRefs = new Set(saved.map(({ ref }) => ref));
  return [...problems.values()].filter(({ ref }) => savedRefs.has(ref));
}

function conflictProblem(method: string, path: string, ref: string): string {
  return `${method} /webhooks/${path} is also the rule ${ref}'s, with other settings; rules with one path need equal ones`;
}

/** Whether two decoded settings accept and answer the same. */
function areEqual(one: EndpointSettings, other: EndpointSettings): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** An endpoint, or what is wrong with the request. */
export type FoundEndpoint =
  | {
      readonly kind: "found";
      readonly endpoint: Endpoint;
      readonly isKey: boolean;
      /** The method is for challenges only; another request gets "other method". */
      readonly allowedOtherwise: readonly string[] | null;
    }
  | { readonly kind: "unknown" }
  | { readonly kind: "other method"; readonly allowed: readonly string[] };

/** @param path after `/webhooks/` */
export function findEndpoint(table: EndpointTable, path: string, method: string): FoundEndpoint {
  const trimmed = trimmedPath(path);
  const byKey = table.byKey.get(trimmed);
  if (byKey !== undefined) {
    return method === "POST"
      ? { kind: "found", endpoint: byKey, isKey: true, allowedOtherwise: null }
      : { kind: "other method", allowed: ["POST"] };
  }
  const endpoints = table.byPath.get(trimmed);
  if (endpoints === undefined || endpoints.size === 0) return { kind: "unknown" };
  const known = webhookMethods.find((each) => each === method);
  const endpoint = known === undefined ? undefined : endpoints.get(known);
  if (endpoint !== undefined) return { kind: "found", endpoint, isKey: false, allowedOtherwise: null };
  const allowed = [...endpoints.keys()];
  // Meta asks with GET whatever the endpoint is for.
  const challenged = [...endpoints.values()].find(({ settings }) => settings.challenge === "meta");
  if (method === "GET" && challenged !== undefined)
    return { kind: "found", endpoint: challenged, isKey: false, allowedOtherwise: allowed };
  return { kind: "other method", allowed };
}

function compareIds(one: Id, other: Id): number {
  return one.length === other.length ? (one < other ? -1 : one > other ? 1 : 0) : one.length - other.length;
}
