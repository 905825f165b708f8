/**
 * Changes of single definitions, made by requests. Each runs in a transaction that holds `lockPacks`, so edits and loads
 * of packs run one after the other, and an edit's checks stay true until it commits. Only plain SQL could interfere, so
 * the row itself is locked, too.
 */
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";
import type { Statement } from "../statement.ts";
import {
  definitionColumns,
  definitionTables,
  packColumns,
  type DefinitionColumns,
  type DefinitionTable,
} from "./definition-tables.ts";

/** Tables whose rows can be changed one by one. */
export type EditedTable = DefinitionTable | "pack";

/** By ref, or by id as text. A ref wins over an id. */
export interface DefinitionName {
  readonly ref: string;
  /** Null if the text is no id. */
  readonly id: Id | null;
}

export interface LockedDefinition {
  readonly id: Id;
  readonly ref: string;
  /** Differs after every change of the row. */
  readonly version: string;
  /** All columns, and for a sensor `further_triggers`. */
  readonly row: JsonObject;
}

interface Edits {
  /** Answers with no row if the ref exists. `row` has `pack_ref`, which may be null. */
  readonly insert: Statement<JsonObject, { readonly id: Id }>;
  /** Locks the row until the end of the transaction. */
  readonly lock: Statement<DefinitionName, LockedDefinition>;
  /** Writes all columns. Nothing is written if none differs, and no row is answered then. */
  readonly update: Statement<{ readonly id: Id; readonly row: JsonObject }, { readonly id: Id }>;
  readonly remove: Statement<Id, { readonly id: Id }>;
}

function editsOf(name: EditedTable, { columns, ids, hasAdhoc }: DefinitionColumns): Edits {
  const isPart = name !== "pack";
  const given = Object.entries({ ref: "text", ...(isPart ? { pack_ref: "text" } : {}), ...columns })
    .map(([column, type]) => `${column} ${type}`)
    .join(", ");
  const written = [...Object.keys(columns), ...Object.keys(ids)];
  const ofGiven = (column: string): string => {
    const table = ids[column];
    return table === undefined
      ? `given.${column}`
      : `(select id from ${table} where ${table}.ref = given.${column}_ref)`;
  };
  const owned = [
    ...(isPart
      ? [
          { column: "pack", value: "(select id from pack where pack.ref = given.pack_ref)" },
          { column: "pack_ref", value: "given.pack_ref" },
        ]
      : []),
    ...(hasAdhoc ? [{ column: "is_adhoc", value: "true" }] : []),
  ];
  const furtherTriggers = `
           || jsonb_build_object('further_triggers',
                                 array(select served.ref
                                         from sensor_trigger
                                         join trigger as served
                                           on served.id = sensor_trigger.trigger
                                        where sensor_trigger.sensor = sensor.id
                                        order by served.ref))`;

  return {
    insert: {
      name: `insert_${name}`,
      text: `
    insert into ${name} (ref, ${[...owned.map(({ column }) => column), ...written].join(", ")})
    select given.ref, ${[...owned.map(({ value }) => value), ...written.map(ofGiven)].join(", ")}
      from jsonb_to_record($1::jsonb) as given (${given})
    on conflict (ref) do nothing
    returning id`,
      values: (row) => [JSON.stringify(row)],
      decode: (row) => ({ id: row.id("id") }),
    },
    lock: {
      name: `lock_${name}`,
      text: `
    select id, ref, xmin::text as version,
           to_jsonb(${name})${name === "sensor" ? furtherTriggers : ""} as definition
      from ${name}
     where ref = $1
        or id = $2
     order by ref = $1 desc
     limit 1
       for update`,
      values: ({ ref, id }) => [ref, id],
      decode: (row) => ({
        id: row.id("id"),
        ref: row.text("ref"),
        version: row.text("version"),
        row: row.jsonObject("definition"),
      }),
    },
    update: {
      name: `update_${name}`,
      text: `
    update ${name}
       set ${written.map((column) => `${column} = ${ofGiven(column)}`).join(", ")}
      from jsonb_to_record($2::jsonb) as given (${given})
     where ${name}.id = $1
       and (${written.map((column) => `${name}.${column}`).join(", ")})
           is distinct from
           (${written.map(ofGiven).join(", ")})
    returning ${name}.id`,
      values: ({ id, row }) => [id, JSON.stringify(row)],
      decode: (row) => ({ id: row.id("id") }),
    },
    remove: {
      name: `remove_${name}`,
      text: `
    delete from ${name}
     where id = $1
    returning id`,
      values: (id) => [id],
      decode: (row) => ({ id: row.id("id") }),
    },
  };
}

export const definitionEdits: Readonly<Record<EditedTable, Edits>> = {
  pack: editsOf("pack", packColumns),
  runtime: editsOf("runtime", definitionColumns.runtime),
  trigger: editsOf("trigger", definitionColumns.trigger),
  action: editsOf("action", definitionColumns.action),
  sensor: editsOf("sensor", definitionColumns.sensor),
  rule: editsOf("rule", definitionColumns.rule),
};

export interface SwitchedDefinition {
  readonly id: Id;
  readonly isEnabled: boolean;
}

function switchOf(table: "trigger" | "sensor" | "rule"): Statement<SwitchedDefinition, { readonly id: Id }> {
  return {
    name: `switch_${table}`,
    text: `
    update ${table}
       set enabled = $2
     where id = $1
       and enabled <> $2
    returning id`,
    values: ({ id, isEnabled }) => [id, isEnabled],
    decode: (row) => ({ id: row.id("id") }),
  };
}

/** Touches a row only if it changes. */
export const switchDefinition = {
  trigger: switchOf("trigger"),
  sensor: switchOf("sensor"),
  rule: switchOf("rule"),
};

export interface WebhookSetting {
  readonly id: Id;
  readonly isEnabled: boolean;
  readonly key: string | null;
  /** Null: as it is. */
  readonly config: JsonObject | null;
}

export const setWebhook: Statement<WebhookSetting, { readonly id: Id }> = {
  name: "set_webhook",
  text: `
    update trigger
       set webhook_enabled = $2,
           webhook_key = $3,
           webhook_config = coalesce($4::jsonb, webhook_config)
     where id = $1
       and (webhook_enabled, webhook_key, webhook_config)
           is distinct from ($2, $3, coalesce($4::jsonb, webhook_config))
    returning id`,
  values: ({ id, isEnabled, key, config }) => [
    id,
    isEnabled,
    key,
    config === null ? null : JSON.stringify(config),
  ],
  decode: (row) => ({ id: row.id("id") }),
};

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
