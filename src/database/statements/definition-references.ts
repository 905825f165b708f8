/** What single definitions refer to, and what refers to them; see definition-edits.ts. */
import type { Id } from "../../model/identifiers.ts";
import type { Statement } from "../statement.ts";
import type { EditedTable, LockedDefinition } from "./definition-edits.ts";
import { definitionTables, type DefinitionTable } from "./definition-tables.ts";

export interface Referrer {
  readonly kind: DefinitionTable;
  readonly ref: string;
}

/** How many referrers are named. */
const referrersMax = 20;

function referrersOf(name: EditedTable, select: string): Statement<LockedDefinition, Referrer> {
  return {
    name: `read_referrers_of_${name}`,
    text: `
    select kind, ref
      from (${select}) as referrer (kind, ref)
     order by kind, ref
     limit ${referrersMax}`,
    values: ({ id, ref }) => (name === "pack" ? [id] : [id, ref]),
    decode: (row) => ({ kind: row.word("kind", definitionTables), ref: row.text("ref") }),
  };
}

/**
 * Definitions that keep others from being removed, by ref as well as by id. What refers to the definitions of a pack
 * and is not of this pack keeps the pack, since they go with it.
 */
export const readReferrers: Readonly<Partial<Record<EditedTable, Statement<LockedDefinition, Referrer>>>> = {
  pack: referrersOf(
    "pack",
    `
      with own_trigger as (select id, ref from trigger where pack = $1),
           own_action as (select id, ref from action where pack = $1),
           own_runtime as (select id, ref from runtime where pack = $1)
      select 'rule', rule.ref
        from rule
       where rule.pack is distinct from $1
         and (rule.trigger_ref in (select ref from own_trigger)
              or rule.trigger in (select id from own_trigger)
              or rule.action_ref in (select ref from own_action)
              or rule.action in (select id from own_action))
       union all
      select 'sensor', sensor.ref
        from sensor
       where sensor.pack is distinct from $1
         and (sensor.trigger_ref in (select ref from own_trigger)
              or sensor.trigger in (select id from own_trigger)
              or sensor.runtime_ref in (select ref from own_runtime)
              or sensor.runtime in (select id from own_runtime)
              or exists (select
                           from sensor_trigger
                          where sensor_trigger.sensor = sensor.id
                            and sensor_trigger.trigger in (select id from own_trigger)))
       union all
      select 'action', action.ref
        from action
       where action.pack is distinct from $1
         and (action.runtime_ref in (select ref from own_runtime)
              or action.runtime in (select id from own_runtime))`,
  ),
  trigger: referrersOf(
    "trigger",
    `
      select 'rule', ref
        from rule
       where trigger_ref = $2
          or trigger = $1
       union all
      select 'sensor', ref
        from sensor
       where trigger_ref = $2
          or trigger = $1
          or exists (select
                       from sensor_trigger
                      where sensor_trigger.sensor = sensor.id
                        and sensor_trigger.trigger = $1)`,
  ),
  action: referrersOf("action", "select 'rule', ref from rule where action_ref = $2 or action = $1"),
  runtime: referrersOf(
    "runtime",
    `
      select 'sensor', ref from sensor where runtime_ref = $2 or runtime = $1
       union all
      select 'action', ref from action where runtime_ref = $2 or runtime = $1`,
  ),
};

export interface GivenRefs {
  readonly packs: readonly string[];
  readonly runtimes: readonly string[];
  readonly triggers: readonly string[];
  readonly actions: readonly string[];
}

/** Those of the refs that exist. */
export const findDefinitions: Statement<GivenRefs, { readonly kind: EditedTable; readonly ref: string }> = {
  name: "find_definitions",
  text: `
    select 'pack' as kind, ref from pack where ref = any($1)
    union all
    select 'runtime', ref from runtime where ref = any($2)
    union all
    select 'trigger', ref from trigger where ref = any($3)
    union all
    select 'action', ref from action where ref = any($4)`,
  values: ({ packs, runtimes, triggers, actions }) => [packs, runtimes, triggers, actions],
  decode: (row) => ({ kind: row.word("kind", ["pack", ...definitionTables]), ref: row.text("ref") }),
};

/** For clients that name a runtime by its id. */
export const readRuntimeRef: Statement<Id, { readonly ref: string }> = {
  name: "read_runtime_ref",
  text: `
    select ref
      from runtime
     where id = $1`,
  values: (id) => [id],
  decode: (row) => ({ ref: row.text("ref") }),
};
