/** What payloads of triggers look like: samples that agents wrote, and their sum. See the migration remember_payloads. */
import type { Id } from "../../model/identifiers.ts";
import type { JsonValue } from "../../model/json/json.ts";
import { noRows, type Statement } from "../statement.ts";

/** Samples that may wait; beyond that no more are written until they are added up. */
const waitingMax = 5_000;

/** @param samples JSON array: t trigger_ref, c content */
export const writeSamples: Statement<{ readonly samples: string }, never> = {
  name: "write_schema_samples",
  text: `
    insert into schema_sample (trigger_ref, content)
    select t, c
      from jsonb_to_recordset($1::jsonb) as sample (t text, c jsonb)
     where (select count(*) from (select from schema_sample limit ${waitingMax} + 1) as waiting) <= ${waitingMax}`,
  values: ({ samples }) => [samples],
  decode: noRows,
};

export interface SampleRow {
  readonly id: Id;
  readonly triggerRef: string;
  readonly content: JsonValue;
}

export const readSamples: Statement<{ readonly countMax: number }, SampleRow> = {
  name: "read_schema_samples",
  text: "select id, trigger_ref, content from schema_sample order by id limit $1",
  values: ({ countMax }) => [countMax],
  decode: (row) => ({
    id: row.id("id"),
    triggerRef: row.text("trigger_ref"),
    content: row.json("content"),
  }),
};

export interface MemoryRow {
  readonly content: JsonValue;
  readonly drifts: JsonValue;
}

export const readMemory: Statement<{ readonly triggerRef: string }, MemoryRow> = {
  name: "read_schema_memory",
  text: "select content, drifts from schema_memory where trigger_ref = $1",
  values: ({ triggerRef }) => [triggerRef],
  decode: (row) => ({ content: row.json("content"), drifts: row.json("drifts") }),
};

/** The samples of one trigger that are not added up yet. */
export const readTriggerSamples: Statement<
  { readonly triggerRef: string; readonly countMax: number },
  JsonValue
> = {
  name: "read_trigger_schema_samples",
  text: "select content from schema_sample where trigger_ref = $1 order by id limit $2",
  values: ({ triggerRef, countMax }) => [triggerRef, countMax],
  decode: (row) => row.json("content"),
};

export interface AddedSamples {
  readonly triggerRef: string;
  /** The samples that are in the memory now. */
  readonly sampleIds: readonly Id[];
  readonly content: string;
  readonly drifts: string;
}

/** Stores nothing, and returns false, if another agent has added one of the samples meanwhile. */
export const storeMemory: Statement<AddedSamples, boolean> = {
  name: "store_schema_memory",
  text: `
    with sample as materialized (
      select id from schema_sample where id = any ($2::bigint[]) for update
    ), added as (
      insert into schema_memory as known (trigger_ref, content, drifts)
      select $1, $3::jsonb, $4::jsonb
       where (select count(*) from sample) = cardinality($2::bigint[])
      on conflict (trigger_ref) do update
         set content = excluded.content, drifts = excluded.drifts, updated = now()
      returning trigger_ref
    ), gone as (
      delete from schema_sample
       where id in (select id from sample)
         and exists (select from added)
    )
    select exists (select from added) as is_stored`,
  values: ({ triggerRef, sampleIds, content, drifts }) => [triggerRef, sampleIds, content, drifts],
  decode: (row) => row.boolean("is_stored"),
};

/** Of triggers that no longer exist or had no event for that long. */
export const forgetMemories: Statement<{ readonly days: number }, never> = {
  name: "forget_schema_memories",
  text: `
    delete from schema_memory
     where updated < now() - make_interval(days => $1)
        or not exists (select from trigger where trigger.ref = schema_memory.trigger_ref)`,
  values: ({ days }) => [days],
  decode: noRows,
};

/** The trigger's out_schema. */
export const readTriggerSchema: Statement<{ readonly triggerRef: string }, JsonValue> = {
  name: "read_trigger_schema",
  text: "select out_schema from trigger where ref = $1",
  values: ({ triggerRef }) => [triggerRef],
  decode: (row) => row.json("out_schema"),
};

export interface ReadingRule {
  readonly ref: string;
  readonly conditions: JsonValue;
  readonly actionParams: JsonValue;
}

export const readEnabledRulesOf: Statement<
  { readonly triggerRef: string; readonly countMax: number },
  ReadingRule
> = {
  name: "read_enabled_rules_of_trigger",
  text: `
    select ref, conditions, action_params
      from rule
     where trigger_ref = $1
       and enabled
     order by ref
     limit $2`,
  values: ({ triggerRef, countMax }) => [triggerRef, countMax],
  decode: (row) => ({
    ref: row.text("ref"),
    conditions: row.json("conditions"),
    actionParams: row.json("action_params"),
  }),
};
