/** Reads events back. */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";
import type { Row, Statement } from "../statement.ts";

export interface StoredEvent {
  readonly id: Id;
  readonly triggerId: Id | null;
  readonly triggerRef: string;
  readonly config: JsonObject;
  readonly payload: JsonObject;
  readonly sourceId: Id | null;
  readonly sourceRef: string | null;
  readonly ruleRef: string | null;
  readonly occurredAt: Date | null;
  readonly dedupKey: string | null;
  readonly created: Date;
}

const eventColumns = `id, trigger, trigger_ref, coalesce(config, '{}') as config,
           coalesce(payload, '{}') as payload, source, source_ref, rule_ref, occurred_at, dedup_key, created`;

export const getEvent: Statement<{ readonly id: Id }, StoredEvent> = {
  name: "get_event",
  text: `
    select ${eventColumns}
      from event
     where id = $1`,
  values: ({ id }) => [id],
  decode: decodeEvent,
};

/** Newest first, by the time of storing. Ids are not in that order, because agents reserve them in blocks. */
export const getRecentEvents: Statement<
  { readonly triggerRef: string; readonly countMax: number },
  StoredEvent
> = {
  name: "get_recent_events",
  text: `
    select ${eventColumns}
      from event
     where trigger_ref = $1
     order by created desc, id desc
     limit $2`,
  values: ({ triggerRef, countMax }) => [triggerRef, countMax],
  decode: decodeEvent,
};

function decodeEvent(row: Row): StoredEvent {
  return {
    id: row.id("id"),
    triggerId: row.idOrNull("trigger"),
    triggerRef: row.text("trigger_ref"),
    config: row.jsonObject("config"),
    payload: row.jsonObject("payload"),
    sourceId: row.idOrNull("source"),
    sourceRef: row.textOrNull("source_ref"),
    ruleRef: row.textOrNull("rule_ref"),
    occurredAt: row.instantOrNull("occurred_at"),
    dedupKey: row.textOrNull("dedup_key"),
    created: row.instant("created"),
  };
}
