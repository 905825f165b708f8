/** The versions of rules. */
import type { Id } from "../../model/identifiers.ts";
import type { LaterRule } from "../../model/rules/explain-event.ts";
import { versionOperations, type Moment, type RuleVersion } from "../../model/rules/rules-at.ts";
import { noValue, type Row, type Statement } from "../statement.ts";

const versionColumns = `version.id, version.rule, version.rule_ref, version.trigger_ref, version.revision, version.is_effective,
           version.operation, version.definition, version.changed_at, version.changed_by`;

function ruleVersion(row: Row): RuleVersion {
  return {
    id: row.id("id"),
    ruleId: row.id("rule"),
    ruleRef: row.text("rule_ref"),
    triggerRef: row.text("trigger_ref"),
    revision: row.id("revision"),
    isEffective: row.boolean("is_effective"),
    operation: row.word("operation", versionOperations),
    definition: row.jsonObjectOrNull("definition"),
    changedAt: row.instant("changed_at"),
    changedBy: row.text("changed_by"),
  };
}

/** A version that is never another: after a restore, an id may be used again. */
export interface VersionKey {
  readonly id: Id;
  /** In microseconds since 1970. */
  readonly changedUs: string;
}

/**
 * The version of each rule on a trigger that was in force for an event, in order of rule id: as model/rules/rules-at.ts
 * decides, in milliseconds.
 *
 * One scan finds their ids, so that it takes a third of the time of a search for each rule. Their definitions, which are
 * long, are read only where they are not known yet.
 */
export const readVersionsInForce: Statement<
  { readonly triggerRef: string; readonly moment: Moment },
  VersionKey
> = {
  name: "read_versions_in_force",
  text: `
    select version.id, (extract(epoch from version.changed_at) * 1000000)::bigint as changed_us
      from (select max(id) as id
              from rule_version
             where rule in (select rule from rule_version where trigger_ref = $1)
               and case when $2::bigint is null then date_trunc('milliseconds', changed_at) <= $3 or operation = 'found'
                        when is_effective then revision <= $2
                        else date_trunc('milliseconds', changed_at) <= $3
                   end
             group by rule) as in_force
      join rule_version as version
        on version.id = in_force.id
     where version.definition is not null
       and version.trigger_ref = $1
     order by version.rule`,
  values: ({ triggerRef, moment }) => [triggerRef, moment.revision, moment.at],
  decode: (row) => ({ id: row.id("id"), changedUs: row.id("changed_us") }),
};

/** Versions by their ids, with the length of each definition. */
export const readVersionsById: Statement<
  readonly Id[],
  { readonly version: RuleVersion; readonly characters: number }
> = {
  name: "read_versions_by_id",
  text: `
    select ${versionColumns}, length(version.definition::text) as characters
      from rule_version as version
     where version.id = any ($1::bigint[])`,
  values: (ids) => [ids],
  decode: (row) => ({ version: ruleVersion(row), characters: row.numberOrNull("characters") ?? 0 }),
};

/** All versions of the rules that have or had this ref, the oldest first. */
export const readVersionsOfRef: Statement<string, RuleVersion> = {
  name: "read_versions_of_ref",
  text: `
    select ${versionColumns}
      from rule_version as version
     where version.rule in (select rule from rule_version where rule_ref = $1)
     order by version.id`,
  values: (ref) => [ref],
  decode: ruleVersion,
};

/** One version of a rule that has or had this ref. */
export const readVersion: Statement<{ readonly ref: string; readonly version: Id }, RuleVersion> = {
  name: "read_rule_version",
  text: `
    select ${versionColumns}
      from rule_version as version
     where version.id = $2
       and version.rule in (select rule from rule_version where rule_ref = $1)`,
  values: ({ ref, version }) => [ref, version],
  decode: ruleVersion,
};

/** Whom the versions of rules that this transaction changes are recorded as changed by. */
export const noteAuthor: Statement<string, void> = {
  name: "note_author",
  text: `
    select set_config('rule.changed_by', $1, true)`,
  values: (author) => [author],
  decode: noValue,
};

/** The version of the same rule that replaced it, as `next`. */
const nextVersion = `left join lateral (
             select changed_at
               from rule_version as later
              where later.rule = version.rule
                and later.id > version.id
              order by later.id
              limit 1) as next
          on true`;

/** The newest version of a rule stays, unless it says that the rule was deleted. */
const isReplaced = `version.changed_at < bound.at
         and (next.changed_at < bound.at or version.definition is null and next.changed_at is null)`;

/** @param found tables of a `with`, the last of them `old` with the ids of the versions to be deleted */
function deletionText(found: string): string {
  return `
    with ${found}, deleted as (
      delete from rule_version
       where id in (select id from old)
      returning 1
    )
    select count(*)::int as count
      from deleted`;
}

function deletedCount(row: Row): { readonly count: number } {
  return { count: row.number("count") };
}

/** Deletes versions that were replaced long ago and that no stored event needs: all events are younger than the next version. */
export const forgetVersions: Statement<
  { readonly keptSeconds: number; readonly countMax: number },
  { readonly count: number }
> = {
  name: "forget_rule_versions",
  text: deletionText(`bound as materialized (
      -- A minute, because an event has the time of its transaction's start.
      select least(now() - make_interval(secs => $1), (select min(created) from event) - interval '1 minute') as at
    ), old as (
      select version.id
        from rule_version as version
       cross join bound
        ${nextVersion}
       where ${isReplaced}
       order by version.changed_at
       limit $2
    )`),
  values: ({ keptSeconds, countMax }) => [keptSeconds, countMax],
  decode: deletedCount,
};

/**
 * Deletes versions of refs that have very many, but for the newest and those that a stored event may need. By ref, so that a
 * rule that is deleted and made again and again counts as one.
 */
export const boundVersions: Statement<
  { readonly keptOfRef: number; readonly countMax: number },
  { readonly count: number }
> = {
  name: "bound_rule_versions",
  text: deletionText(`bound as materialized (
      -- An hour: longer than a transaction that stores an event matched under an older version.
      select least(now() - interval '1 hour', (select min(created) from event) - interval '1 minute') as at
    ), crowded as materialized (
      select rule_ref
        from rule_version
       group by rule_ref
      having count(*) > $1
    ), old as (
      select version.id
        from crowded
       cross join bound
       cross join lateral (
             select id
               from rule_version
              where rule_ref = crowded.rule_ref
              order by id desc
             offset $1
              limit 1) as newest_beyond
        join rule_version as version
          on version.rule_ref = crowded.rule_ref
         and version.id <= newest_beyond.id
        ${nextVersion}
       where ${isReplaced}
       limit $2
    )`),
  values: ({ keptOfRef, countMax }) => [keptOfRef, countMax],
  decode: deletedCount,
};

/** The rules that are on a trigger now and not among those that were, with the version that brought them there. */
export const readLaterRules: Statement<
  { readonly triggerRef: string; readonly earlierRules: readonly Id[] },
  LaterRule
> = {
  name: "read_later_rules",
  text: `
    with later as materialized (
      select id, ref
        from rule
       where trigger_ref = $1
         and id not in (select unnest($2::bigint[]))
    )
    select later.id, later.ref, first.changed_at, first.changed_by
      from later
     cross join lateral (
           select changed_at, changed_by
             from rule_version
            where rule_version.rule = later.id
              and rule_version.trigger_ref = $1
            order by rule_version.id
            limit 1) as first
     order by later.id`,
  values: ({ triggerRef, earlierRules }) => [triggerRef, earlierRules],
  decode: (row) => ({
    id: row.id("id"),
    ref: row.text("ref"),
    firstSeenAt: row.instant("changed_at"),
    firstSeenBy: row.text("changed_by"),
  }),
};
