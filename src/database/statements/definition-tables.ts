/**
 * The tables of definitions: which columns their authors write, and which are looked up by the ref beside them. Loading
 * packs and changing single definitions write the same columns.
 */
export interface DefinitionColumns {
  /** Written from the row that is given: column → type. */
  readonly columns: Readonly<Record<string, string>>;
  /** Looked up by the ref beside it: column → table. */
  readonly ids: Readonly<Record<string, DefinitionTable>>;
  /** Whether a row says that it was made by a request, not by a pack. */
  readonly hasAdhoc: boolean;
}

export const definitionTables = ["runtime", "trigger", "action", "sensor", "rule"] as const;

export type DefinitionTable = (typeof definitionTables)[number];

const labelled = { label: "text", description: "text" };

export const packColumns: DefinitionColumns = {
  columns: {
    ...labelled,
    version: "text",
    config: "jsonb",
    meta: "jsonb",
    is_standard: "boolean",
    conf_schema: "jsonb",
    tags: "text[]",
    runtime_deps: "text[]",
    dependencies: "text[]",
  },
  ids: {},
  hasAdhoc: false,
};

export const definitionColumns: Readonly<Record<DefinitionTable, DefinitionColumns>> = {
  runtime: {
    columns: {
      name: "text",
      description: "text",
      runtime_type: "text",
      distributions: "jsonb",
      installation: "jsonb",
      execution_config: "jsonb",
    },
    ids: {},
    hasAdhoc: false,
  },
  trigger: {
    columns: {
      ...labelled,
      enabled: "boolean",
      param_schema: "jsonb",
      out_schema: "jsonb",
      cloudevents: "jsonb",
    },
    ids: {},
    hasAdhoc: true,
  },
  action: {
    columns: {
      ...labelled,
      entrypoint: "text",
      runtime_ref: "text",
      param_schema: "jsonb",
      out_schema: "jsonb",
    },
    ids: { runtime: "runtime" },
    hasAdhoc: true,
  },
  sensor: {
    columns: {
      ...labelled,
      enabled: "boolean",
      entrypoint: "text",
      runtime_ref: "text",
      trigger_ref: "text",
      param_schema: "jsonb",
      protocol: "text",
      config: "jsonb",
      poll_interval: "double precision",
      timeout: "double precision",
      success_exit_codes: "integer[]",
      runtime_version_constraint: "text",
      placement: "jsonb",
    },
    ids: { runtime: "runtime", trigger: "trigger" },
    hasAdhoc: true,
  },
  rule: {
    columns: {
      ...labelled,
      enabled: "boolean",
      trigger_ref: "text",
      action_ref: "text",
      conditions: "jsonb",
      trigger_params: "jsonb",
      action_params: "jsonb",
    },
    ids: { trigger: "trigger", action: "action" },
    hasAdhoc: true,
  },
};
