/** Sensors with their state, as the API lists and shows them. */
import type { Id } from "../../model/identifiers.ts";
import type { JsonValue } from "../../model/json/json.ts";
import { sensorStates, type SensorState } from "../../model/sensors/sensor-state.ts";
import { listStatements, type ListStatements } from "../page.ts";
import type { Row, Statement } from "../statement.ts";
import type { DefinitionName } from "./definition-edits.ts";
import { isFoundIn, type DefinitionOrder } from "./definition-lists.ts";
import { isReportCurrent, ownerAndReport } from "./owner-and-report.ts";

export interface SensorEntry {
  readonly id: Id;
  readonly ref: string;
  readonly label: string;
  readonly description: string | null;
  readonly pack: Id | null;
  readonly packRef: string | null;
  readonly entrypoint: string;
  readonly runtime: Id | null;
  readonly runtimeRef: string;
  readonly trigger: Id | null;
  readonly triggerRef: string;
  /** All triggers it serves, the main one first. */
  readonly triggerRefs: readonly string[];
  readonly isEnabled: boolean;
  readonly protocol: string;
  readonly pollIntervalSeconds: number | null;
  readonly timeoutSeconds: number | null;
  readonly paramSchema: JsonValue;
  readonly successExitCodes: readonly number[];
  readonly runtimeVersionConstraint: string | null;
  readonly placement: JsonValue;
  readonly config: JsonValue;
  readonly isAdhoc: boolean;
  /** Differs after every change of the row. */
  readonly rowVersion: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly state: SensorState;
  /** The live worker it is assigned to. */
  readonly worker: Id | null;
  readonly workerName: string | null;
  /** Why no worker can run it, or why its process last ended or waits; null: nothing to say. */
  readonly reason: string | null;
  /** The latest report of its process; null if there has never been one. */
  readonly process: SensorProcessEntry | null;
}

export interface SensorProcessEntry {
  readonly status: SensorState;
  /** The worker that reported. */
  readonly worker: Id | null;
  readonly workerName: string | null;
  /** Whether the current owner made the report during its current term. */
  readonly isCurrent: boolean;
  readonly pid: number | null;
  /** Consecutive failures. */
  readonly failures: number;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly reason: string | null;
  readonly stderrExcerpt: string | null;
  readonly startedAt: Date | null;
  readonly lastOutputAt: Date | null;
  readonly stoppedAt: Date | null;
  readonly nextRestartAt: Date | null;
  readonly reportedAt: Date;
}

/** Null means any. */
export interface SensorFilter {
  readonly isEnabled: boolean | null;
  /** One of the triggers it serves. */
  readonly triggerRef: string | null;
  readonly packRef: string | null;
  readonly state: SensorState | null;
  /** Name of the owner. */
  readonly workerName: string | null;
  /** Its ref or label contains this text, in upper or lower case. */
  readonly search: string | null;
}

// A subquery, so that filters and orders can name computed columns. The state is the owner's report. An owner without
// a report is about to start the sensor. Without an owner no process runs, whatever a dead worker last reported.
const sensors = `(
      select sensor.id, sensor.ref, sensor.label, sensor.description, sensor.pack, sensor.pack_ref,
             sensor.entrypoint, sensor.runtime, sensor.runtime_ref, sensor.trigger, sensor.trigger_ref,
             array_prepend(sensor.trigger_ref,
                           array(select served.ref
                                   from sensor_trigger
                                   join trigger as served
                                     on served.id = sensor_trigger.trigger
                                  where sensor_trigger.sensor = sensor.id
                                    and served.ref <> sensor.trigger_ref
                                  order by served.ref)) as trigger_refs,
             sensor.enabled, sensor.protocol, sensor.poll_interval, sensor.timeout, sensor.param_schema,
             sensor.success_exit_codes, sensor.runtime_version_constraint, sensor.placement, sensor.config,
             sensor.is_adhoc, sensor.xmin::text as row_version,
             sensor.created, sensor.updated,
             case when ${isReportCurrent} then process.status
                  when holder.id is not null then 'starting'
                  when process.status = 'failed' then 'failed'
                  else 'stopped'
              end as state,
             holder.id as holder, holder.name as holder_name,
             case when holder.id is null and is_sensor_wanted(sensor.id) then unplaced.detail end as obstacle,
             process.status, process.worker as reporter, reporter.name as reporter_name, ${isReportCurrent} as is_current,
             process.pid, process.failures, process.exit_code, process.signal, process.reason,
             process.stderr_excerpt, process.started_at, process.last_output_at, process.stopped_at,
             process.next_restart_at, process.updated as reported_at
        from sensor
        ${ownerAndReport}
        left join sensor_gap as unplaced
               on unplaced.sensor = sensor.id
              and unplaced.cause = 'unplaced'
              and unplaced.ended_at is null) as entry`;

export function listSensors(order: DefinitionOrder): ListStatements<SensorFilter, SensorEntry> {
  return listStatements(
    {
      name: "sensors",
      columns: "*",
      from: sensors,
      matching: `($1::boolean is null or enabled = $1)
       and ($2::text is null or $2 = any (trigger_refs))
       and ($3::text is null or pack_ref = $3)
       and ($4::text is null or state = $4)
       and ($5::text is null or holder_name = $5)
       and ($6::text is null or ${isFoundIn("$6", ["ref", "label"])})`,
      valueCount: 6,
      values: ({ isEnabled, triggerRef, packRef, state, workerName, search }) => [
        isEnabled,
        triggerRef,
        packRef,
        state,
        workerName,
        search,
      ],
      decode: sensorEntry,
    },
    order,
  );
}

/** By ref or id. No row: there is none. */
export const readSensor: Statement<DefinitionName, SensorEntry> = {
  name: "read_sensor",
  text: `
    select *
      from ${sensors}
     where ref = $1
        or id = $2
     order by ref = $1 desc
     limit 1`,
  values: ({ ref, id }) => [ref, id],
  decode: sensorEntry,
};

function sensorEntry(row: Row): SensorEntry {
  return {
    id: row.id("id"),
    ref: row.text("ref"),
    label: row.text("label"),
    description: row.textOrNull("description"),
    pack: row.idOrNull("pack"),
    packRef: row.textOrNull("pack_ref"),
    entrypoint: row.text("entrypoint"),
    runtime: row.idOrNull("runtime"),
    runtimeRef: row.text("runtime_ref"),
    trigger: row.idOrNull("trigger"),
    triggerRef: row.text("trigger_ref"),
    triggerRefs: row.texts("trigger_refs"),
    isEnabled: row.boolean("enabled"),
    protocol: row.text("protocol"),
    pollIntervalSeconds: row.numberOrNull("poll_interval"),
    timeoutSeconds: row.numberOrNull("timeout"),
    paramSchema: row.json("param_schema"),
    successExitCodes: row.numbers("success_exit_codes"),
    runtimeVersionConstraint: row.textOrNull("runtime_version_constraint"),
    placement: row.json("placement"),
    config: row.json("config"),
    isAdhoc: row.boolean("is_adhoc"),
    rowVersion: row.text("row_version"),
    createdAt: row.instant("created"),
    updatedAt: row.instant("updated"),
    state: row.word("state", sensorStates),
    worker: row.idOrNull("holder"),
    workerName: row.textOrNull("holder_name"),
    reason: row.textOrNull("obstacle") ?? row.textOrNull("reason"),
    process: row.textOrNull("status") === null ? null : processEntry(row),
  };
}

function processEntry(row: Row): SensorProcessEntry {
  return {
    status: row.word("status", sensorStates),
    worker: row.idOrNull("reporter"),
    workerName: row.textOrNull("reporter_name"),
    isCurrent: row.boolean("is_current"),
    pid: row.numberOrNull("pid"),
    failures: row.number("failures"),
    exitCode: row.numberOrNull("exit_code"),
    signal: row.textOrNull("signal"),
    reason: row.textOrNull("reason"),
    stderrExcerpt: row.textOrNull("stderr_excerpt"),
    startedAt: row.instantOrNull("started_at"),
    lastOutputAt: row.instantOrNull("last_output_at"),
    stoppedAt: row.instantOrNull("stopped_at"),
    nextRestartAt: row.instantOrNull("next_restart_at"),
    reportedAt: row.instant("reported_at"),
  };
}
