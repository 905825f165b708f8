/**
 * The parts of the statement that stores a batch which depend on where its events come from: from any triggers and
 * sources, or all from the same, as most batches do.
 */
import type { BatchToStore, SoleSource } from "./batch-to-store.ts";

/** Adds a parameter to the statement being written; returns its place in the text. */
export type Parameter = (value: (batch: BatchToStore) => unknown) => string;

interface SourceParts {
  /** Reads the assignments, in order of sensor. */
  readonly held: string;
  /** Locks the triggers and asks for their revisions, after the assignments have been locked. */
  readonly areCurrent: string;
  /** The events that may be stored. */
  readonly incoming: string;
  readonly of: EventFields;
  /** Of the trigger of an event. */
  readonly revision: string;
  readonly heldTerms: string;
}

/** Of an event in `incoming`. */
export interface EventFields {
  readonly trigger: string;
  readonly triggerRef: string;
  readonly config: string;
  readonly sensor: string;
  readonly sensorRef: string;
}

export function anySources(events: string, parameter: Parameter): SourceParts {
  const sources = parameter((batch) => batch.sources);
  const sensors = parameter((batch) => batch.terms.map(({ sensorId }) => sensorId));
  const generations = parameter((batch) => batch.terms.map(({ generation }) => generation));
  const instances = parameter((batch) => batch.terms.map(({ instance }) => instance));
  const revisions = parameter((batch) => batch.triggerRevisions);
  return {
    held: `
      select held.sensor, held.generation, held.instance
        -- Arrays, because the planner expects few elements and so uses the index, however many assignments there are.
        from unnest(${sensors}::bigint[], ${generations}::bigint[], ${instances}::uuid[])
             as term (sensor, generation, instance)
        join sensor_assignment as held
          on held.sensor = term.sensor
         and held.generation = term.generation
         and held.instance = term.instance
       order by held.sensor`,
    areCurrent: `are_rules_current(${afterAssignments(`${revisions}::jsonb`)})`,
    incoming: `
      select event.*, source.*
        from ${events}
        join jsonb_to_recordset(${sources}::jsonb)
             as source (n int, trigger bigint, trigger_ref text, config jsonb,
                        sensor bigint, sensor_ref text, generation bigint)
          on source.n = event.s
       where exists (select from rules_held)
         and (source.generation is null
              or (source.sensor, source.generation) in (select sensor, generation from assignment_held))`,
    of: {
      trigger: "incoming.trigger",
      triggerRef: "incoming.trigger_ref",
      config: "incoming.config",
      sensor: "incoming.sensor",
      sensorRef: "incoming.sensor_ref",
    },
    revision: `(${revisions}::jsonb ->> trigger_ref)::bigint`,
    heldTerms: "(select coalesce(jsonb_agg(sensor || ':' || generation), '[]') from assignment_held)",
  };
}

export function soleSource(events: string, parameter: Parameter): SourceParts {
  const parameterOf = (value: (source: SoleSource) => unknown): string =>
    parameter(({ soleSource: source }) => (source === undefined ? undefined : value(source)));
  const sensor = `${parameterOf(({ sensorId }) => sensorId)}::bigint`;
  const generation = `${parameterOf(({ term }) => term?.generation ?? null)}::bigint`;
  const instance = `${parameterOf(({ term }) => term?.instance ?? null)}::uuid`;
  const revision = `${parameterOf(({ triggerRevision }) => triggerRevision)}::bigint`;
  const trigger = `${parameterOf(({ triggerId }) => triggerId)}::bigint`;
  const triggerRef = `${parameterOf(({ triggerRef: ref }) => ref)}::text`;
  const sensorRef = `${parameterOf(({ sensorRef: ref }) => ref)}::text`;
  const config = `${parameterOf((source) => source.config)}::jsonb`;
  return {
    held: `
      select held.sensor, held.generation, held.instance
        from sensor_assignment as held
       where held.sensor = ${sensor}
         and held.generation = ${generation}
         and held.instance = ${instance}`,
    areCurrent: `is_rule_current(${afterAssignments(triggerRef)}, ${revision})`,
    incoming: `
      select event.*
        from ${events}
       where exists (select from rules_held)
         and (${generation} is null or exists (select from assignment_held))`,
    of: { trigger, triggerRef, config, sensor, sensorRef },
    revision,
    heldTerms: `case
             when exists (select from assignment_held) then jsonb_build_array(${sensor} || ':' || ${generation})
             else '[]'
           end`,
  };
}

/** The value, once the assignments are locked: the condition is always true, but has to be evaluated first. */
const afterAssignments = (value: string): string =>
  `case when (select count(*) from assignment_held) >= 0 then ${value} end`;
