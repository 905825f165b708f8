/** What sensors that are connected to an agent are told about rules: new messages, and the state of a trigger's rules. */
import type { Id } from "../../model/identifiers.ts";
import type { Row, Statement } from "../statement.ts";

/** Which messages have been read: all that are visible in this snapshot of the database (`pg_snapshot` as text). */
type SeenSnapshot = string;

export interface SeenRules {
  readonly snapshot: SeenSnapshot;
  /** The newest revision of the rules in it; 0 if there was none. */
  readonly revision: Id;
}

export interface RuleMessagePage {
  /** Undefined: no messages, only the state. */
  readonly since: SeenRules | undefined;
  /** Only messages visible in this snapshot; undefined: all. */
  readonly upTo: SeenSnapshot | undefined;
  /** Numbers are above it. */
  readonly after: Id;
  readonly countMax: number;
  /** Triggers whose rules are told as they are. */
  readonly stateOf: readonly string[];
}

export interface RuleNews {
  readonly routingKey: string;
  readonly ruleId: Id;
  readonly ruleRef: string;
  readonly triggerRef: string;
  /** An object. */
  readonly paramsJson: string;
  readonly isActive: boolean;
  readonly created: Date;
}

export type RuleMessageRow =
  /** `isBefore`: the database was set back, so that `since` is not of its past. */
  | { readonly kind: "snapshot"; readonly seen: SeenRules; readonly isBefore: boolean }
  | { readonly kind: "message"; readonly number: Id; readonly news: RuleNews }
  | { readonly kind: "state"; readonly news: RuleNews };

/**
 * One statement has one snapshot: the state contains exactly the messages that are visible in it. Messages of a
 * transaction that commits later have lower numbers but are not visible in the last snapshot, so they are found too.
 *
 * Messages from a database that was copied into another server have foreign transaction ids, which that server may reach
 * much later; they are too old to be told then.
 *
 * A database that was set back is recognized in two ways: its transaction ids are lower, or, if it was restored into the same
 * server, where they go on rising, it does not know the newest revision. Revisions are times, so it does not draw that one
 * again. An old revision is still known while it is the newest, and for at least an hour after that (read_rule_changes).
 */
export const readRuleMessages: Statement<RuleMessagePage, RuleMessageRow> = {
  name: "read_rule_messages",
  text: `
    select 'snapshot' as kind, pg_current_snapshot()::text as snapshot,
           coalesce((select value from rule_revision), 0) as revision,
           coalesce(pg_snapshot_xmax(pg_current_snapshot()) < pg_snapshot_xmax($1::pg_snapshot), false)
           or ($6::bigint is not null
               and not exists (select
                                 from rule_revision
                                where value = $6
                                   or known_from = $6
                                   or (known_from < $6 and exists (select from rule_commit where revision = $6)))) as is_before,
           0::bigint as number, null as routing_key, null::bigint as rule, null as rule_ref, null as trigger_ref,
           null as params, false as active, now() as created
     union all
    select * from (
      select 'message', null, null::bigint, false, number, routing_key, rule, rule_ref, trigger_ref,
             trigger_params::text, active, created
        from rule_message
       where xid >= pg_snapshot_xmin($1::pg_snapshot)
         and not pg_visible_in_snapshot(xid, $1::pg_snapshot)
         and pg_visible_in_snapshot(xid, coalesce($2::pg_snapshot, pg_current_snapshot()))
         and number > $3
         and created > clock_timestamp() - interval '2 days'
       order by number
       limit $4
    ) as message
     union all
    select * from (
      select 'state', null, null::bigint, false, null::bigint,
             case when is_deleted then 'rule.deleted' else 'rule.disabled' end,
             rule, rule_ref, trigger_ref, '{}', false, now()
        from rule_tombstone
       where trigger_ref = any ($5)
         and since > now() - interval '7 days'
       order by trigger_ref, rule
    ) as gone
     union all
    select * from (
      select 'state', null, null::bigint, false, null::bigint, 'rule.updated', rule.id, rule.ref, rule.trigger_ref,
             case when jsonb_typeof(rule.trigger_params) = 'object' then rule.trigger_params::text else '{}' end,
             rule.enabled and coalesce(trigger.enabled, true), now()
        from rule
        left join trigger
               on trigger.ref = rule.trigger_ref
       where rule.trigger_ref = any ($5)
       order by rule.trigger_ref, rule.id
    ) as present`,
  values: ({ since, upTo, after, countMax, stateOf }) => [
    since?.snapshot ?? null,
    upTo ?? null,
    after,
    countMax,
    stateOf,
    since?.revision ?? null,
  ],
  decode: decodeRow,
};

function decodeRow(row: Row): RuleMessageRow {
  const kind = row.word("kind", ["snapshot", "message", "state"]);
  if (kind === "snapshot")
    return {
      kind,
      seen: { snapshot: row.text("snapshot"), revision: row.id("revision") },
      isBefore: row.boolean("is_before"),
    };
  const news = decodeNews(row);
  return kind === "state" ? { kind, news } : { kind, number: row.id("number"), news };
}

function decodeNews(row: Row): RuleNews {
  return {
    routingKey: row.text("routing_key"),
    ruleId: row.id("rule"),
    ruleRef: row.text("rule_ref"),
    triggerRef: row.text("trigger_ref"),
    paramsJson: row.text("params"),
    isActive: row.boolean("active"),
    created: row.instant("created"),
  };
}
