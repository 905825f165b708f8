/**
 * The statements for loading packs. They run in one transaction under `lockPacks`, so that concurrent loads run one
 * after the other.
 *
 * An upsert writes only rows that would change, so loading the same pack again raises no revision and creates no
 * message. Rows refer to each other by ref; the ids next to the refs are looked up here, after the referenced rows
 * have been written.
 */
import type { JsonObject } from "../../model/json/json.ts";
import { noValue, type Statement } from "../statement.ts";
import {
  definitionColumns,
  definitionTables,
  packColumns,
  type DefinitionTable,
} from "./definition-tables.ts";

export interface Upserted {
  readonly ref: string;
  readonly isNew: boolean;
}

export const lockPacks: Statement<void, void> = {
  name: "lock_packs",
  text: `select pg_advisory_xact_lock(hashtextextended(current_schema() || '.pack', 0))::text`,
  values: () => [],
  decode: noValue,
};

/** The definitions of the last load of these packs, by pack. */
export const readPackManifests: Statement<
  readonly string[],
  { readonly packRef: string; readonly meta: JsonObject }
> = {
  name: "read_pack_manifests",
  text: `
    select ref, meta
      from pack
     where ref = any($1)`,
  values: (refs) => [refs],
  decode: (row) => ({ packRef: row.text("ref"), meta: row.jsonObject("meta") }),
};

/** Every definition, from packs and elsewhere. */
export const readDefinitionRefs: Statement<void, { readonly kind: DefinitionTable; readonly ref: string }> = {
  name: "read_definition_refs",
  text: `
    select 'runtime' as kind, ref from runtime
    union all
    select 'trigger', ref from trigger
    union all
    select 'action', ref from action
    union all
    select 'sensor', ref from sensor
    union all
    select 'rule', ref from rule`,
  values: () => [],
  decode: (row) => ({ kind: row.word("kind", definitionTables), ref: row.text("ref") }),
};

const packFields = Object.keys(packColumns.columns);
const packGiven = Object.entries({ ref: "text", ...packColumns.columns });

export const upsertPack: Statement<JsonObject, Upserted> = {
  name: "upsert_pack",
  text: `
    insert into pack (ref, ${packFields.join(", ")})
    select ref, ${packFields.join(", ")}
      from jsonb_to_record($1::jsonb)
        as given (${packGiven.map(([column, type]) => `${column} ${type}`).join(", ")})
    on conflict (ref) do update
       set ${packFields.map((column) => `${column} = excluded.${column}`).join(", ")}
     where (${packFields.map((column) => `pack.${column}`).join(", ")})
           is distinct from
           (${packFields.map((column) => `excluded.${column}`).join(", ")})
    returning ref, xmax = 0 as is_new`,
  values: (row) => [JSON.stringify(row)],
  decode: (row) => ({ ref: row.text("ref"), isNew: row.boolean("is_new") }),
};

export interface PackRows {
  readonly packRef: string;
  readonly rows: readonly JsonObject[];
}

/**
 * Inserts new rows and updates rows that differ; does not touch the others.
 *
 * A row with `keeps_enabled` keeps the current value of `enabled`. The column is read in the statement that writes it,
 * so an operator who disables a rule during the load is not overruled.
 */
function upsertOf(name: DefinitionTable): Statement<PackRows, Upserted> {
  const { columns, ids, hasAdhoc } = definitionColumns[name];
  const written = [
    "pack",
    "pack_ref",
    ...(hasAdhoc ? ["is_adhoc"] : []),
    ...Object.keys(columns),
    ...Object.keys(ids),
  ];
  const ofGiven = (column: string): string => {
    const table = ids[column];
    if (table !== undefined) return `(select id from ${table} where ${table}.ref = given.${column}_ref)`;
    if (column === "pack") return "(select id from pack where pack.ref = $2)";
    if (column === "pack_ref") return "$2";
    return column === "is_adhoc" ? "false" : `given.${column}`;
  };
  const ofUpdate = (column: string): string =>
    column === "enabled"
      ? `case when given.keeps_enabled then ${name}.enabled else given.enabled end`
      : ofGiven(column);
  const given = Object.entries({ ref: "text", ...columns, keeps_enabled: "boolean" });

  return {
    name: `upsert_${name}s`,
    text: `
      with given as (
        select *
          from jsonb_to_recordset($1::jsonb) as given (${given.map(([column, type]) => `${column} ${type}`).join(", ")})
      ), inserted as (
        insert into ${name} (ref, ${written.join(", ")})
        select given.ref, ${written.map(ofGiven).join(", ")}
          from given
        on conflict (ref) do nothing
        returning ref
      ), updated as (
        update ${name}
           set ${written.map((column) => `${column} = ${ofUpdate(column)}`).join(", ")}
          from given
         where ${name}.ref = given.ref
           and (${written.map((column) => `${name}.${column}`).join(", ")})
               is distinct from
               (${written.map(ofUpdate).join(", ")})
        returning ${name}.ref
      )
      select ref, true as is_new from inserted
      union all
      select ref, false from updated`,
    values: ({ packRef, rows }) => [JSON.stringify(rows), packRef],
    decode: (row) => ({ ref: row.text("ref"), isNew: row.boolean("is_new") }),
  };
}

export const upsertDefinitions: Readonly<Record<DefinitionTable, Statement<PackRows, Upserted>>> = {
  runtime: upsertOf("runtime"),
  trigger: upsertOf("trigger"),
  action: upsertOf("action"),
  sensor: upsertOf("sensor"),
  rule: upsertOf("rule"),
};

/**
 * Sets the additional triggers of these sensors to those in their rows. Returns the sensors that changed; their own rows
 * are touched too, so that their version and `updated` change.
 */
export const setFurtherTriggers: Statement<readonly JsonObject[], { readonly ref: string }> = {
  name: "set_further_triggers",
  text: `
    with given as (
      select sensor.id as sensor, given.further_triggers
        from jsonb_to_recordset($1::jsonb) as given (ref text, further_triggers text[])
        join sensor on sensor.ref = given.ref
    ), wanted as (
      select given.sensor, trigger.id as trigger
        from given
        join trigger on trigger.ref = any(given.further_triggers)
    ), removed as (
      delete from sensor_trigger
       where sensor in (select sensor from given)
         and (sensor, trigger) not in (select sensor, trigger from wanted)
      returning sensor
    ), added as (
      insert into sensor_trigger (sensor, trigger)
      select sensor, trigger
        from wanted
      on conflict do nothing
      returning sensor
    )
    update sensor
       set updated = now()
     where sensor.id in (select sensor from removed union all select sensor from added)
    returning sensor.ref`,
  values: (rows) => [JSON.stringify(rows)],
  decode: (row) => ({ ref: row.text("ref") }),
};

function removalOf(table: DefinitionTable): Statement<readonly string[], { readonly ref: string }> {
  return {
    name: `remove_${table}s`,
    text: `
      delete from ${table}
       where ref = any($1)
      returning ref`,
    values: (refs) => [refs],
    decode: (row) => ({ ref: row.text("ref") }),
  };
}

export const removeDefinitions: Readonly<
  Record<DefinitionTable, Statement<readonly string[], { readonly ref: string }>>
> = {
  runtime: removalOf("runtime"),
  trigger: removalOf("trigger"),
  action: removalOf("action"),
  sensor: removalOf("sensor"),
  rule: removalOf("rule"),
};
