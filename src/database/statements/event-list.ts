/** Events and enforcements, as the API lists and shows them. */
import type { Id } from "../../model/identifiers.ts";
import type { JsonValue } from "../../model/json/json.ts";
import { equalities, type HistoryCondition, type HistoryTable } from "../history.ts";
import type { Row, Statement } from "../statement.ts";

export interface EventEntry {
  readonly id: Id;
  readonly trigger: Id | null;
  readonly triggerRef: string;
  readonly source: Id | null;
  readonly sourceRef: string | null;
  /** The only rule it was meant for. */
  readonly rule: Id | null;
  readonly ruleRef: string | null;
  readonly hasPayload: boolean;
  readonly occurredAt: Date | null;
  readonly dedupKey: string | null;
  readonly createdAt: Date;
}

export interface EventDetails extends EventEntry {
  readonly traceparent: string | null;
  readonly tracestate: string | null;
  readonly payload: JsonValue;
  readonly config: JsonValue;
}

export const enforcementStatuses = ["created", "processed", "disabled"] as const;

export interface EnforcementEntry {
  readonly id: Id;
  readonly rule: Id | null;
  readonly ruleRef: string;
  readonly event: Id | null;
  readonly triggerRef: string;
  readonly action: Id | null;
  readonly actionRef: string | null;
  readonly status: (typeof enforcementStatuses)[number];
  readonly condition: "all" | "any";
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface EnforcementDetails extends EnforcementEntry {
  /** Of its event. */
  readonly traceparent: string | null;
  readonly payload: JsonValue;
  readonly config: JsonValue;
  readonly conditions: JsonValue;
}

const eventColumns = `id, trigger, trigger_ref, source, source_ref, rule, rule_ref, payload is not null as has_payload,
           occurred_at, dedup_key, created`;

const enforcementColumns =
  "id, rule, rule_ref, event, trigger_ref, action, action_ref, status::text, condition::text, created, updated";

export const eventTable: HistoryTable<EventEntry> = {
  name: "event",
  columns: eventColumns,
  decode: eventEntry,
};

export const enforcementTable: HistoryTable<EnforcementEntry> = {
  name: "enforcement",
  columns: enforcementColumns,
  decode: enforcementEntry,
};

/** No row: there is no such event. */
export const readEvent: Statement<Id, EventDetails> = {
  name: "read_event",
  text: `
    select ${eventColumns}, payload, config, traceparent, tracestate
      from event
     where id = $1`,
  values: (id) => [id],
  decode: (row) => ({
    ...eventEntry(row),
    payload: row.json("payload"),
    config: row.json("config"),
    traceparent: row.textOrNull("traceparent"),
    tracestate: row.textOrNull("tracestate"),
  }),
};

/** No row: there is no such enforcement. */
export const readEnforcement: Statement<Id, EnforcementDetails> = {
  name: "read_enforcement",
  text: `
    select ${enforcementColumns}, config, conditions,
           coalesce(payload, (select event.payload from event where event.id = enforcement.event)) as payload,
           (select event.traceparent from event where event.id = enforcement.event) as traceparent
      from enforcement
     where id = $1`,
  values: (id) => [id],
  decode: (row) => ({
    ...enforcementEntry(row),
    payload: row.json("payload"),
    config: row.json("config"),
    conditions: row.json("conditions"),
    traceparent: row.textOrNull("traceparent"),
  }),
};

/** An index by rule would make this exact, but every enforcement would pay for it when it is stored. */
const newestEnforcements = 20_000;

/** When each of these rules last matched; no row for one that none of the newest enforcements is of. */
export const readLastMatches: Statement<readonly Id[], { readonly ruleId: Id; readonly matchedAt: Date }> = {
  name: "read_last_matches",
  text: `
    select rule, max(created) as matched_at
      from (select rule, created from enforcement order by id desc limit ${newestEnforcements}) as newest
     where rule = any($1::bigint[])
     group by rule`,
  values: (ids) => [ids],
  decode: (row) => ({ ruleId: row.id("rule"), matchedAt: row.instant("matched_at") }),
};

/** By ref, or by the id of a row that exists. */
export interface Named {
  readonly id: Id | null;
  readonly ref: string | null;
}

export interface EventFilter {
  readonly trigger: Named;
  readonly source: Named;
  readonly rule: Named;
}

export interface EnforcementFilter {
  readonly rule: Named;
  readonly event: Id | null;
  readonly triggerRef: string | null;
  readonly status: EnforcementEntry["status"] | null;
}

export function eventConditions({ trigger, source, rule }: EventFilter): readonly HistoryCondition[] {
  const others = { source: source.id, source_ref: source.ref, rule: rule.id, rule_ref: rule.ref };
  return [
    ...(trigger.id === null ? [] : [{ sql: isOfTrigger, value: trigger.id, isIndexed: true }]),
    ...equalities({ trigger_ref: trigger.ref }, { isIndexed: true }),
    ...equalities(others, { isIndexed: false }),
  ];
}

export function enforcementConditions(filter: EnforcementFilter): readonly HistoryCondition[] {
  const { rule, event, triggerRef, status } = filter;
  const others = { rule: rule.id, rule_ref: rule.ref, trigger_ref: triggerRef, "status::text": status };
  return [...equalities({ event }, { isIndexed: true }), ...equalities(others, { isIndexed: false })];
}

/** By the ref, which the index begins with; the id tells a trigger from an earlier one with its ref. */
function isOfTrigger(id: string): string {
  return `trigger_ref = (select ref from trigger where id = ${id}) and trigger = ${id}`;
}

function eventEntry(row: Row): EventEntry {
  return {
    id: row.id("id"),
    trigger: row.idOrNull("trigger"),
    triggerRef: row.text("trigger_ref"),
    source: row.idOrNull("source"),
    sourceRef: row.textOrNull("source_ref"),
    rule: row.idOrNull("rule"),
    ruleRef: row.textOrNull("rule_ref"),
    hasPayload: row.boolean("has_payload"),
    occurredAt: row.instantOrNull("occurred_at"),
    dedupKey: row.textOrNull("dedup_key"),
    createdAt: row.instant("created"),
  };
}

function enforcementEntry(row: Row): EnforcementEntry {
  return {
    id: row.id("id"),
    rule: row.idOrNull("rule"),
    ruleRef: row.text("rule_ref"),
    event: row.idOrNull("event"),
    triggerRef: row.text("trigger_ref"),
    action: row.idOrNull("action"),
    actionRef: row.textOrNull("action_ref"),
    status: row.word("status", enforcementStatuses),
    condition: row.word("condition", ["all", "any"]),
    createdAt: row.instant("created"),
    updatedAt: row.instant("updated"),
  };
}
