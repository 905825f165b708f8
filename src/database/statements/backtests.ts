/** Reads for back-tests: a rule whether enabled or not, its newest version, and the events of a trigger in order. */
import assert from "node:assert/strict";
import type { Id } from "../../model/identifiers.ts";
import type { RuleText } from "../../model/rules/compiled-rule.ts";
import type { LongStatement, Statement } from "../statement.ts";
import { decodeRule, ruleText } from "./rules.ts";

export interface WrittenRule {
  readonly text: RuleText;
  readonly isEnabled: boolean;
}

export const readWrittenRule: Statement<{ readonly ref: string }, WrittenRule> = {
  name: "read_written_rule",
  text: `
    select id, enabled, ${ruleText} as definition
      from rule
     where ref = $1`,
  values: ({ ref }) => [ref],
  decode: (row) => ({
    text: decodeRule(row.id("id"), row.text("definition")),
    isEnabled: row.boolean("enabled"),
  }),
};

/** Whether it exists, or events of it do. */
export const isTriggerKnown: Statement<{ readonly triggerRef: string }, boolean> = {
  name: "is_trigger_known",
  text: `
    select exists (select from trigger where ref = $1)
           or exists (select from event where trigger_ref = $1) as is_known`,
  values: ({ triggerRef }) => [triggerRef],
  decode: (row) => row.boolean("is_known"),
};

export interface RuleVersionStart {
  readonly revision: Id;
  readonly changedAt: Date;
}

/** Since when the rule is matched as it is now. */
export const readVersionStart: Statement<{ readonly rule: Id }, RuleVersionStart> = {
  name: "read_version_start",
  text: `
    select revision, changed_at
      from rule_version
     where rule = $1
       and is_effective
     order by id desc
     limit 1`,
  values: ({ rule }) => [rule],
  decode: (row) => ({ revision: row.id("revision"), changedAt: row.instant("changed_at") }),
};

/** An event with its payload as text, so that its reader decodes it where it has time. */
export interface BacktestRow {
  readonly id: Id;
  readonly payloadJson: string;
  readonly sourceRef: string | null;
  readonly ruleRef: string | null;
  readonly occurredAt: Date | null;
  /** Microseconds since 1970. */
  readonly createdUs: string;
  /** Whether the rule has an enforcement of it. */
  readonly isEnforced: boolean | null;
}

export interface BacktestPage {
  readonly triggerRef: string;
  readonly after: { readonly createdUs: string; readonly id: Id };
  /** Microseconds since 1970, exclusive. */
  readonly untilUs: string;
  readonly countMax: number;
  /** Only events that were matched at this revision of their trigger or a newer one; null: any. */
  readonly revisionMin: Id | null;
  /** Whose enforcements to look up; null: none. */
  readonly enforcedRule: Id | null;
}

const instant = (parameter: string): string =>
  `(timestamptz 'epoch' + ${parameter}::bigint * interval '1 microsecond')`;

/** Each key takes the server time. Beyond so many, all of the payload as text takes less. */
const keysMax = 8;
/** A longer payload is compressed, and decompressed again for each key; as text, once. */
const bytesWithKeysMax = 4_096;

/**
 * The next events of a trigger in order of storing, without those that replays stored.
 *
 * Each key is taken out of the payload on its own, because building an object of them takes the server longer than writing
 * all of a short payload as text.
 *
 * The index on (trigger_ref, created, id) leads to them, in order through all partitions, wherever the page begins. Each is
 * sent when it is read: a sum of bytes needs no rows behind its own. date_part is exact to a quarter of a microsecond, and
 * takes a fraction of the time of extract, which computes with decimal digits. The id and the time share a column, because
 * each column takes the driver a while, and a bigint longer than a text. The payload has its own: a piece of it would keep
 * all of it in memory.
 *
 * @param payloadKeys the top-level keys of payloads to read; undefined: all of them. More than those may be read.
 */
export function readBacktestPage({
  payloadKeys,
  bytesMax,
}: {
  readonly payloadKeys: Iterable<string> | undefined;
  /** Of stored payloads; at least one event is read, however large. Null: unbounded. */
  readonly bytesMax: number | null;
}): LongStatement<BacktestPage, BacktestRow> {
  const keys = keysToRead(payloadKeys);
  const firstKey = bytesMax === null ? 8 : 9;
  return {
    name: `read_backtest_page_${bytesMax === null ? "" : "bounded_"}${keys?.length ?? "whole"}`,
    text: `
    select concat(page.id, ' ', (date_part('epoch', page.created) * 1000000)::bigint) as place,
           ${payloadText(keys?.length, firstKey)} as payload, page.source_ref, page.rule_ref, page.occurred_at,
           case when $6::bigint is not null
                then exists (select
                               from enforcement
                              where enforcement.event = page.id
                                and enforcement.rule = $6
                                and enforcement.replayed_from is null) end as is_enforced
      from (${bytesMax === null ? eventsInOrder : boundedEvents}) as page
     order by page.created, page.id`,
    values: ({ triggerRef, after, untilUs, countMax, revisionMin, enforcedRule }) => [
      triggerRef,
      after.createdUs,
      after.id,
      untilUs,
      revisionMin,
      enforcedRule,
      countMax,
      ...(bytesMax === null ? [] : [bytesMax]),
      ...(keys ?? []).flatMap((key) => [key, `,${JSON.stringify(key)}:`]),
    ],
    decode: decodeRow,
  };
}

const eventsInOrder = `
        select id, payload, source_ref, rule_ref, occurred_at, created
          from event
         where trigger_ref = $1
           and (created, id) > (${instant("$2")}, $3::bigint)
           and created < ${instant("$4")}
           and replayed_from is null
           and ($5::bigint is null or matched_revision >= $5)
         order by created, id
         limit $7`;

/** The sum takes a quarter of the server's time. */
const boundedEvents = `
        select *
          from (select next.*, sum(bytes) over (order by created, id rows unbounded preceding) - bytes as bytes_before
                  from (select events.*, coalesce(pg_column_size(payload), 0) as bytes
                          from (${eventsInOrder}) as events) as next) as summed
         where bytes_before < $8`;

/** Undefined: all. */
function keysToRead(keys: Iterable<string> | undefined): readonly string[] | undefined {
  if (keys === undefined) return undefined;
  // No stored payload has the others, which the server would refuse as text.
  const storable = [...keys].filter((key) => key.isWellFormed() && !key.includes("\0"));
  return storable.length > keysMax ? undefined : storable;
}

/** The payload; or, of a short one, the members with these keys, each after a comma. */
function payloadText(keyCount: number | undefined, firstKey: number): string {
  if (keyCount === undefined) return "page.payload::text";
  const members = Array.from({ length: keyCount }, (_, index) => {
    const key = firstKey + 2 * index;
    return `coalesce($${key + 1}::text || (page.payload -> $${key}::text)::text, '')`;
  });
  return `
           case when pg_column_size(page.payload) > ${bytesWithKeysMax} then page.payload::text
                else ${["''", ...members].join(" || ")} end`;
}

function decodeRow([
  place,
  payload,
  sourceRef,
  ruleRef,
  occurredAt,
  isEnforced,
]: readonly unknown[]): BacktestRow {
  assert(typeof place === "string");
  assert(typeof payload === "string" || payload === null);
  assert(typeof sourceRef === "string" || sourceRef === null);
  assert(typeof ruleRef === "string" || ruleRef === null);
  assert(occurredAt instanceof Date || occurredAt === null);
  assert(typeof isEnforced === "boolean" || isEnforced === null);
  const space = place.indexOf(" ");
  return {
    id: place.slice(0, space),
    createdUs: place.slice(space + 1),
    payloadJson: objectText(payload ?? ""),
    sourceRef,
    ruleRef,
    occurredAt,
    isEnforced,
  };
}

/** Of the payload, or of members of it, which `payloadText` selects. */
function objectText(text: string): string {
  return text === "" || text.startsWith(",") ? `{${text.slice(1)}}` : text;
}
