/**
 * Definitions as the API lists and shows them. An entry has the columns of its row under their own names, as the API
 * writes them. Sensors are in sensor-list.ts, with the state of their processes.
 */
import type { Id } from "../../model/identifiers.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json/json.ts";
import { listStatements, type ListStatements } from "../page.ts";
import type { Row, Statement } from "../statement.ts";
import type { DefinitionName } from "./definition-edits.ts";

/** How each sort of column is decoded. */
const decoders = {
  id: (row: Row, column: string): Id => row.id(column),
  idOrNull: (row: Row, column: string): Id | null => row.idOrNull(column),
  text: (row: Row, column: string): string => row.text(column),
  textOrNull: (row: Row, column: string): string | null => row.textOrNull(column),
  texts: (row: Row, column: string): readonly string[] => row.texts(column),
  boolean: (row: Row, column: string): boolean => row.boolean(column),
  json: (row: Row, column: string): JsonValue => row.json(column),
  // The column takes any JSON, but clients rely on an object.
  jsonObject: (row: Row, column: string): JsonObject => {
    const value = row.json(column);
    return isJsonObject(value) ? value : {};
  },
  instant: (row: Row, column: string): Date => row.instant(column),
} as const;

export type ColumnSort = keyof typeof decoders;

export type EntryColumns = Readonly<Record<string, ColumnSort>>;

export interface DefinitionEntry {
  readonly id: Id;
  readonly ref: string;
  /** Differs after every change of the row. */
  readonly rowVersion: string;
  readonly columns: Readonly<Record<string, ReturnType<(typeof decoders)[ColumnSort]>>>;
}

const labelled = { id: "id", ref: "text", label: "text", description: "textOrNull" } as const;
const packed = { pack: "idOrNull", pack_ref: "textOrNull" } as const;
const stamps = { created: "instant", updated: "instant" } as const;

export type ListedKind = "pack" | "runtime" | "trigger" | "action" | "rule";

export const entryColumns = {
  pack: {
    ...labelled,
    version: "text",
    is_standard: "boolean",
    conf_schema: "jsonObject",
    config: "jsonObject",
    meta: "jsonObject",
    tags: "texts",
    runtime_deps: "texts",
    dependencies: "texts",
    ...stamps,
  },
  runtime: {
    id: "id",
    ref: "text",
    name: "text",
    description: "textOrNull",
    ...packed,
    runtime_type: "text",
    distributions: "json",
    installation: "json",
    execution_config: "json",
    ...stamps,
  },
  trigger: {
    ...labelled,
    ...packed,
    enabled: "boolean",
    is_adhoc: "boolean",
    param_schema: "jsonObject",
    out_schema: "jsonObject",
    cloudevents: "json",
    webhook_enabled: "boolean",
    webhook_key: "textOrNull",
    webhook_config: "jsonObject",
    ...stamps,
  },
  action: {
    ...labelled,
    ...packed,
    entrypoint: "text",
    runtime: "idOrNull",
    runtime_ref: "textOrNull",
    is_adhoc: "boolean",
    param_schema: "jsonObject",
    out_schema: "jsonObject",
    ...stamps,
  },
  rule: {
    ...labelled,
    ...packed,
    trigger: "idOrNull",
    trigger_ref: "text",
    action: "idOrNull",
    action_ref: "text",
    enabled: "boolean",
    is_adhoc: "boolean",
    conditions: "json",
    trigger_params: "jsonObject",
    action_params: "jsonObject",
    ...stamps,
  },
} as const satisfies Readonly<Record<ListedKind, EntryColumns>>;

/** Null: any. */
export interface DefinitionFilter {
  readonly packRef: string | null;
  readonly isEnabled: boolean | null;
  readonly isAdhoc: boolean | null;
  readonly isStandard: boolean | null;
  readonly runtimeType: string | null;
  readonly triggerRef: string | null;
  readonly actionRef: string | null;
  /** A trigger's ref, or that of a rule's trigger, is one of these. */
  readonly amongTriggers: readonly string[] | null;
  /** One of its names contains this text, in upper or lower case. */
  readonly search: string | null;
}

export const anyDefinition: DefinitionFilter = {
  packRef: null,
  isEnabled: null,
  isAdhoc: null,
  isStandard: null,
  runtimeType: null,
  triggerRef: null,
  actionRef: null,
  amongTriggers: null,
  search: null,
};

interface Condition {
  readonly type: "text" | "boolean" | "text[]";
  /** @param given placeholder of the value */
  readonly sql: (given: string) => string;
}

const isText = (column: string): Condition => ({ type: "text", sql: (given) => `${column} = ${given}` });
const isBoolean = (column: string): Condition => ({
  type: "boolean",
  sql: (given) => `${column} = ${given}`,
});
const isAmong = (column: string): Condition => ({
  type: "text[]",
  sql: (given) => `${column} = any (${given})`,
});
const contains = (...columns: readonly string[]): Condition => ({
  type: "text",
  sql: (given) => isFoundIn(given, columns),
});

/**
 * SQL that is true where one of the columns contains a text, in upper or lower case. It looks at every row of a table of
 * definitions: tens of milliseconds for 100,000.
 */
export function isFoundIn(given: string, columns: readonly string[]): string {
  return `strpos(lower(concat_ws(' ', ${columns.join(", ")})), lower(${given})) > 0`;
}

const byPack = { packRef: isText("pack_ref") };
const byAdhoc = { isAdhoc: isBoolean("is_adhoc") };
const byEnabled = { isEnabled: isBoolean("enabled") };
const bySearch = { search: contains("ref", "label") };

/** What each list can be filtered by. */
const conditions: Readonly<Record<ListedKind, Readonly<Partial<Record<keyof DefinitionFilter, Condition>>>>> =
  {
    pack: { isStandard: isBoolean("is_standard"), ...bySearch },
    runtime: { ...byPack, runtimeType: isText("runtime_type"), search: contains("ref", "name") },
    trigger: { ...byPack, ...byEnabled, ...byAdhoc, amongTriggers: isAmong("ref"), ...bySearch },
    action: { ...byPack, ...byAdhoc, ...bySearch },
    rule: {
      ...byPack,
      ...byEnabled,
      ...byAdhoc,
      triggerRef: isText("trigger_ref"),
      actionRef: isText("action_ref"),
      amongTriggers: isAmong("trigger_ref"),
      search: contains("ref", "label", "trigger_ref", "action_ref"),
    },
  };

export const definitionOrders = [
  "id",
  "-id",
  "ref",
  "-ref",
  "created",
  "-created",
  "updated",
  "-updated",
] as const;

export type DefinitionOrder = (typeof definitionOrders)[number];

export function listDefinitions(
  kind: ListedKind,
  order: DefinitionOrder,
): ListStatements<DefinitionFilter, DefinitionEntry> {
  const used = Object.entries(conditions[kind]);
  return listStatements(
    {
      name: `${kind}s`,
      columns: selected(kind),
      from: kind,
      matching: used
        .map(([, { type, sql }], index) => {
          const given = `$${index + 1}::${type}`;
          return `(${given} is null or ${sql(given)})`;
        })
        .join("\n       and "),
      valueCount: used.length,
      values: (filter) => {
        const given = new Map<string, unknown>(Object.entries(filter));
        return used.map(([name]) => given.get(name));
      },
      decode: entryOf(kind),
    },
    order,
  );
}

function readOf(kind: ListedKind): Statement<DefinitionName, DefinitionEntry> {
  return {
    name: `read_${kind}`,
    text: `
    select ${selected(kind)}
      from ${kind}
     where ref = $1
        or id = $2
     order by ref = $1 desc
     limit 1`,
    values: ({ ref, id }) => [ref, id],
    decode: entryOf(kind),
  };
}

/** By ref or id. No row: there is none. */
export const readDefinition: Readonly<Record<ListedKind, Statement<DefinitionName, DefinitionEntry>>> = {
  pack: readOf("pack"),
  runtime: readOf("runtime"),
  trigger: readOf("trigger"),
  action: readOf("action"),
  rule: readOf("rule"),
};

function selected(kind: ListedKind): string {
  return `${Object.keys(entryColumns[kind]).join(", ")}, xmin::text as row_version`;
}

function entryOf(kind: ListedKind): (row: Row) => DefinitionEntry {
  const columns = Object.entries<ColumnSort>(entryColumns[kind]);
  return (row) => ({
    id: row.id("id"),
    ref: row.text("ref"),
    rowVersion: row.text("row_version"),
    columns: Object.fromEntries(columns.map(([column, sort]) => [column, decoders[sort](row, column)])),
  });
}
