/**
 * The state of an installation for an operator: every sensor's state, and the live workers. All ages are measured by the
 * database's clock.
 */
import { sensorStates } from "../../model/sensors/sensor-state.ts";
import type { Statement } from "../statement.ts";
import { heldSensors } from "./held-sensors.ts";
import { isLeaseAlive } from "./lease.ts";
import { isReportCurrent, ownerAndReport } from "./owner-and-report.ts";
import { servesTrigger } from "./served-triggers.ts";
import type { ProcessReport } from "./sensor-process.ts";

export interface SensorStanding {
  readonly sensorRef: string;
  readonly isEnabled: boolean;
  readonly protocol: string;
  readonly entrypoint: string;
  readonly runtimeRef: string;
  /** Null if the sensor names a runtime that has no row. */
  readonly runtimeName: string | null;
  /** Its main trigger. */
  readonly triggerRef: string;
  /** How many triggers it serves. */
  readonly triggers: number;
  readonly disabledTriggers: readonly string[];
  readonly rules: number;
  readonly enabledRules: number;
  /** The number of enabled rules on enabled triggers; with at least one, the sensor should run. */
  readonly effectiveRules: number;
  /** Name of the live worker it is assigned to. */
  readonly holder: string | null;
  /** The latest report of its process; null if there has never been one. */
  readonly process: SensorProcessStanding | null;
}

export interface SensorProcessStanding extends ProcessReport {
  /** Name of the worker that reported. */
  readonly worker: string | null;
  /** Whether the current holder made the report during its current term. */
  readonly isCurrent: boolean;
  readonly secondsSinceStart: number | null;
  readonly secondsSinceOutput: number | null;
  readonly secondsToRestart: number | null;
}

/** Of one sensor, or with null of all. */
export const readSensorStandings: Statement<string | null, SensorStanding> = {
  name: "read_sensor_standings",
  text: `
    select sensor.ref, sensor.enabled, sensor.protocol, sensor.entrypoint, sensor.runtime_ref,
           (select name from runtime where runtime.ref = sensor.runtime_ref) as runtime_name, sensor.trigger_ref,
           served.triggers, served.disabled_triggers, served.rules, served.enabled_rules, served.effective_rules,
           holder.name as holder, reporter.name as reporter,
           ${isReportCurrent} as is_current,
           process.status, process.pid, coalesce(process.failures, 0) as failures, process.recent_runs,
           process.recent_failures, process.exit_code,
           process.signal, process.reason, process.stderr_excerpt, process.started_at, process.first_output_at,
           process.last_output_at, process.output_interval, process.longest_silence,
           extract(epoch from now() - process.last_output_at)::double precision as since_output,
           process.stopped_at, process.next_restart_at,
           extract(epoch from now() - process.started_at)::double precision as since_start,
           extract(epoch from process.next_restart_at - now())::double precision as to_restart
      from sensor
     cross join lateral (
           select count(*)::int as triggers,
                  coalesce(array_agg(trigger.ref order by trigger.ref) filter (where not trigger.enabled), '{}')
                    as disabled_triggers,
                  coalesce(sum(counted.rules), 0)::int as rules,
                  coalesce(sum(counted.enabled_rules), 0)::int as enabled_rules,
                  coalesce(sum(counted.enabled_rules) filter (where trigger.enabled), 0)::int as effective_rules
             from trigger
            cross join lateral (
                  select count(*) as rules,
                         count(*) filter (where rule.enabled) as enabled_rules
                    from rule
                   where rule.trigger_ref = trigger.ref) as counted
            where ${servesTrigger("sensor", "trigger")}) as served
      ${ownerAndReport}
     where $1::text is null
        or sensor.ref = $1
     order by sensor.ref`,
  values: (ref) => [ref],
  decode: (row) => ({
    sensorRef: row.text("ref"),
    isEnabled: row.boolean("enabled"),
    protocol: row.text("protocol"),
    entrypoint: row.text("entrypoint"),
    runtimeRef: row.text("runtime_ref"),
    runtimeName: row.textOrNull("runtime_name"),
    triggerRef: row.text("trigger_ref"),
    triggers: row.number("triggers"),
    disabledTriggers: row.texts("disabled_triggers"),
    rules: row.number("rules"),
    enabledRules: row.number("enabled_rules"),
    effectiveRules: row.number("effective_rules"),
    holder: row.textOrNull("holder"),
    process:
      row.textOrNull("status") === null
        ? null
        : {
            status: row.word("status", sensorStates),
            worker: row.textOrNull("reporter"),
            isCurrent: row.boolean("is_current"),
            pid: row.numberOrNull("pid"),
            failures: row.number("failures"),
            recentRuns: row.number("recent_runs"),
            recentFailures: row.number("recent_failures"),
            exitCode: row.numberOrNull("exit_code"),
            signal: row.textOrNull("signal"),
            reason: row.textOrNull("reason"),
            stderrExcerpt: row.textOrNull("stderr_excerpt"),
            startedAt: row.instantOrNull("started_at"),
            firstOutputAt: row.instantOrNull("first_output_at"),
            lastOutputAt: row.instantOrNull("last_output_at"),
            outputIntervalSeconds: row.numberOrNull("output_interval"),
            longestSilenceSeconds: row.numberOrNull("longest_silence"),
            secondsSinceOutput: row.numberOrNull("since_output"),
            stoppedAt: row.instantOrNull("stopped_at"),
            nextRestartAt: row.instantOrNull("next_restart_at"),
            secondsSinceStart: row.numberOrNull("since_start"),
            secondsToRestart: row.numberOrNull("to_restart"),
          },
  }),
};

export interface WorkerStanding {
  readonly name: string;
  readonly host: string | null;
  readonly status: string | null;
  /** Its lease has not expired. */
  readonly isAlive: boolean;
  readonly secondsSinceHeartbeat: number | null;
  /** Those that use its capacity. */
  readonly sensorsHeld: number;
  /** They run inside the agent and use none. */
  readonly builtinHeld: number;
  readonly sensorCountMax: number | null;
}

/** Every sensor worker that ever registered: live ones first, then the most recent. */
export const readWorkerStandings: Statement<void, WorkerStanding> = {
  name: "read_worker_standings",
  text: `
    select worker.name, host, status::text as status,
           coalesce(status = 'active', false) and ${isLeaseAlive("worker", "now()")} as is_alive,
           extract(epoch from now() - last_heartbeat)::double precision as since_heartbeat,
           held.usual as sensors_held, held.builtin as builtin_held,
           case when jsonb_typeof(capabilities -> 'max_concurrent_sensors') = 'number'
                then (capabilities ->> 'max_concurrent_sensors')::double precision
            end as sensor_count_max
      from worker${heldSensors}
     where worker_role in ('sensor', 'hybrid')
     order by is_alive desc, last_heartbeat desc nulls last, worker.name`,
  values: () => [],
  decode: (row) => ({
    name: row.text("name"),
    host: row.textOrNull("host"),
    status: row.textOrNull("status"),
    isAlive: row.boolean("is_alive"),
    secondsSinceHeartbeat: row.numberOrNull("since_heartbeat"),
    sensorsHeld: row.number("sensors_held"),
    builtinHeld: row.number("builtin_held"),
    sensorCountMax: row.numberOrNull("sensor_count_max"),
  }),
};

export const readDatabaseClock: Statement<void, { readonly nowMs: number }> = {
  name: "read_database_clock",
  text: "select extract(epoch from clock_timestamp())::double precision * 1000 as now_ms",
  values: () => [],
  decode: (row) => ({ nowMs: row.number("now_ms") }),
};
