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
