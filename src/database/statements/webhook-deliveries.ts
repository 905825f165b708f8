/** The log of requests to webhooks. */
import type { Id } from "../../model/identifiers.ts";
import type { DeliveryRecord } from "../../model/webhooks/delivery-record.ts";
import { deliveryVerdicts } from "../../model/webhooks/delivery-record.ts";
import { equalities, type HistoryCondition, type HistoryTable } from "../history.ts";
import { noRows, type Row, type Statement } from "../statement.ts";

export interface DeliveryEntry extends DeliveryRecord {
  readonly id: Id;
}

/** All in one statement, as JSON: cheaper than an array per column. */
export const addDeliveries: Statement<readonly DeliveryRecord[], never> = {
  name: "add_webhook_deliveries",
  text: `
    insert into webhook_delivery (request_id, delivery_id, verdict, reason, trigger_ref, rule_ref, method, path, event,
                                  event_count, remote_address, bytes, seconds, status, requests, worker_name, created)
    select request_id, delivery_id, verdict, reason, trigger_ref, rule_ref, method, path, event,
           event_count, remote_address, bytes, seconds, status, requests, worker_name, created
      from jsonb_to_recordset($1::jsonb)
        as given (request_id text, delivery_id text, verdict text, reason text, trigger_ref text, rule_ref text,
                  method text, path text, event bigint, event_count integer, remote_address text, bytes bigint,
                  seconds double precision, status integer, requests integer, worker_name text, created timestamptz)`,
  values: (records) => [JSON.stringify(records.map(columnsOf))],
  decode: noRows,
};

function columnsOf(record: DeliveryRecord): object {
  return {
    request_id: record.requestId,
    delivery_id: record.deliveryId,
    verdict: record.verdict,
    reason: record.reason,
    trigger_ref: record.triggerRef,
    rule_ref: record.ruleRef,
    method: record.method,
    path: record.path,
    event: record.eventId,
    event_count: record.eventCount,
    remote_address: record.remoteAddress,
    // Anyone may announce a body of 2^64 bytes, and one row that the database refuses would keep all others out.
    bytes: Math.min(record.bytes, Number.MAX_SAFE_INTEGER),
    seconds: record.seconds,
    status: record.status,
    requests: record.requests,
    worker_name: record.workerName,
    created: record.createdAt.toISOString(),
  };
}

const columns = `id, request_id, delivery_id, verdict, reason, trigger_ref, rule_ref, method, path, event, event_count,
           remote_address, bytes::float8 as bytes, seconds, status, requests, worker_name, created`;

export const deliveryTable: HistoryTable<DeliveryEntry> = {
  name: "webhook_delivery",
  columns,
  decode: deliveryEntry,
};

function deliveryEntry(row: Row): DeliveryEntry {
  return {
    id: row.id("id"),
    requestId: row.textOrNull("request_id"),
    deliveryId: row.textOrNull("delivery_id"),
    verdict: row.word("verdict", deliveryVerdicts),
    reason: row.textOrNull("reason"),
    triggerRef: row.textOrNull("trigger_ref"),
    ruleRef: row.textOrNull("rule_ref"),
    method: row.text("method"),
    path: row.textOrNull("path"),
    eventId: row.idOrNull("event"),
    eventCount: row.number("event_count"),
    remoteAddress: row.textOrNull("remote_address"),
    bytes: row.number("bytes"),
    seconds: row.number("seconds"),
    status: row.number("status"),
    requests: row.number("requests"),
    workerName: row.text("worker_name"),
    createdAt: row.instant("created"),
  };
}

/** No row: there is no such delivery. */
export const readDelivery: Statement<Id, DeliveryEntry> = {
  name: "read_webhook_delivery",
  text: `
    select ${columns}
      from webhook_delivery
     where id = $1`,
  values: (id) => [id],
  decode: deliveryEntry,
};

/** What came after a row and is not known, the oldest first. */
export const readNewerDeliveries: Statement<
  { readonly afterId: Id; readonly knownIds: readonly Id[]; readonly countMax: number },
  DeliveryEntry
> = {
  name: "read_newer_webhook_deliveries",
  text: `
    select ${columns}
      from webhook_delivery
     where id > $1
       and id <> all ($2::bigint[])
     order by id
     limit $3`,
  values: ({ afterId, knownIds, countMax }) => [afterId, knownIds, countMax],
  decode: deliveryEntry,
};

export const readLastDeliveryId: Statement<undefined, Id> = {
  name: "read_last_webhook_delivery_id",
  text: "select coalesce(max(id), 0)::bigint as id from webhook_delivery",
  values: () => [],
  decode: (row) => row.id("id"),
};

/** Null: any. */
export interface DeliveryFilter {
  readonly verdict: DeliveryRecord["verdict"] | null;
  readonly reason: string | null;
  readonly triggerRef: string | null;
  readonly ruleRef: string | null;
  readonly path: string | null;
  readonly deliveryId: string | null;
  readonly requestId: string | null;
  readonly event: Id | null;
  readonly remoteAddress: string | null;
}

export function deliveryConditions(filter: DeliveryFilter): readonly HistoryCondition[] {
  const { verdict, reason, triggerRef, ruleRef, path, deliveryId, requestId, event, remoteAddress } = filter;
  const values = {
    verdict,
    reason,
    trigger_ref: triggerRef,
    rule_ref: ruleRef,
    path,
    delivery_id: deliveryId,
    request_id: requestId,
    event,
    remote_address: remoteAddress,
  };
  return equalities(values, { isIndexed: false });
}

/**
 * Deletes some of the oldest rows that are too old or too many. Of several agents one does it: the others get no turn.
 * Ids have hardly any gaps, so the number of rows follows from them.
 */
export const forgetDeliveries: Statement<
  { readonly keptSeconds: number; readonly rowsMax: number; readonly countMax: number },
  number
> = {
  name: "forget_webhook_deliveries",
  text: `
    with turn as materialized (
      select pg_try_advisory_xact_lock(hashtextextended(current_schema() || '.webhook_delivery', 0)) as is_ours
    ), old as (
      (select id
         from webhook_delivery
        where created < now() - make_interval(secs => $1)
        order by created, id
        limit $3)
       union
      (select id
         from webhook_delivery
        where id <= (select max(id) from webhook_delivery) - $2::bigint
        order by id
        limit $3)
    ), deleted as (
      delete from webhook_delivery
       using old, turn
       where webhook_delivery.id = old.id
         and turn.is_ours
      returning 1
    )
    select count(*)::int as count from deleted`,
  values: ({ keptSeconds, rowsMax, countMax }) => [keptSeconds, rowsMax, countMax],
  decode: (row) => row.number("count"),
};
