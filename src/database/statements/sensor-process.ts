/** The state of a sensor's process, for operators. */
import type { Id } from "../../model/identifiers.ts";
import type { SensorState } from "../../model/sensors/sensor-state.ts";
import type { Statement } from "../statement.ts";
import { isLeaseAlive } from "./lease.ts";

export interface ProcessReport {
  readonly status: SensorState;
  readonly pid: number | null;
  /** Consecutive failures. */
  readonly failures: number;
  /** At most ten, with the number that failed; see model/sensors/recent-runs.ts. */
  readonly recentRuns: number;
  readonly recentFailures: number;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly reason: string | null;
  readonly stderrExcerpt: string | null;
  readonly startedAt: Date | null;
  /** When it first printed a line since then; only for stream sensors. */
  readonly firstOutputAt: Date | null;
  readonly lastOutputAt: Date | null;
  /** A moving average; null while there is too little output. */
  readonly outputIntervalSeconds: number | null;
  /** The longest time without output, fading; see model/sensors/output-rhythm.ts. */
  readonly longestSilenceSeconds: number | null;
  readonly stoppedAt: Date | null;
  readonly nextRestartAt: Date | null;
}

export interface SensorReport extends ProcessReport {
  readonly sensorId: Id;
  /** The reporting instance. */
  readonly instance: string;
}

export interface WrittenReports {
  readonly reports: readonly SensorReport[];
  /** The present time by the clock that the reports' times are from. */
  readonly nowMs: number;
}

/**
 * Writes the latest report of each sensor, and returns the sensors of reports to repeat.
 *
 * The times are those of the worker's clock, and are written as those of the database's, by which doctor and other readers
 * judge them. A difference of a few seconds may be the statement's own delay, and counts as none.
 *
 * A worker that lost a sensor may report its end late, and must not overwrite the new holder's report. A sensor deleted
 * meanwhile is skipped. So is one that is being deleted or renamed, because the foreign key would wait for it, and the other
 * reports with it; its report is to be repeated.
 */
export const writeSensorReports: Statement<WrittenReports, { readonly sensorId: Id }> = {
  name: "write_sensor_reports",
  text: `
    with clocks as materialized (
      select case when abs(extract(epoch from clock_timestamp() - $2::timestamptz)) > 5
                  then clock_timestamp() - $2::timestamptz
                  else interval '0' end as difference
    ), report as materialized (
      select sensor, instance, status, pid, failures, recent_runs, recent_failures, exit_code, signal, reason,
             stderr_excerpt, output_interval, longest_silence,
             started_at + difference as started_at,
             first_output_at + difference as first_output_at,
             last_output_at + difference as last_output_at,
             stopped_at + difference as stopped_at,
             next_restart_at + difference as next_restart_at
        from jsonb_to_recordset($1::jsonb)
             as report (sensor bigint, instance uuid, status text, pid int, failures int,
                        recent_runs int, recent_failures int, exit_code int,
                        signal text, reason text, stderr_excerpt text, started_at timestamptz,
                        first_output_at timestamptz, last_output_at timestamptz,
                        output_interval double precision, longest_silence double precision, stopped_at timestamptz,
                        next_restart_at timestamptz)
       cross join clocks
    ), free as materialized (
      select sensor.id
        from report
        join sensor
          on sensor.id = report.sensor
       order by sensor.id
         for key share of sensor skip locked
    ), written as (
      insert into sensor_process (sensor, worker, status, pid, failures, recent_runs, recent_failures,
                                  exit_code, signal, reason, stderr_excerpt, started_at, first_output_at, last_output_at,
                                  output_interval, longest_silence, stopped_at, next_restart_at, updated)
      select report.sensor, worker.id, report.status, report.pid, report.failures, report.recent_runs,
             report.recent_failures, report.exit_code, report.signal, report.reason, report.stderr_excerpt,
             report.started_at, report.first_output_at, report.last_output_at, report.output_interval,
             report.longest_silence, report.stopped_at, report.next_restart_at, clock_timestamp()
        from report
        join free
          on free.id = report.sensor
        left join worker
          on worker.instance = report.instance
        left join (sensor_assignment as held
                   join worker as holder
                     on holder.id = held.worker
                    and holder.instance = held.instance)
          on held.sensor = report.sensor
         and ${isLeaseAlive("holder", "now()")}
       where held.instance is null
          or held.instance = report.instance
       order by report.sensor
      on conflict (sensor) do update
         set worker = excluded.worker,
             status = excluded.status,
             pid = excluded.pid,
             failures = excluded.failures,
             recent_runs = excluded.recent_runs,
             recent_failures = excluded.recent_failures,
             exit_code = excluded.exit_code,
             signal = excluded.signal,
             reason = excluded.reason,
             stderr_excerpt = excluded.stderr_excerpt,
             started_at = excluded.started_at,
             first_output_at = excluded.first_output_at,
             -- Values from before a restart, or from another worker, remain valid.
             last_output_at = coalesce(excluded.last_output_at, sensor_process.last_output_at),
             output_interval = coalesce(excluded.output_interval, sensor_process.output_interval),
             longest_silence = coalesce(excluded.longest_silence, sensor_process.longest_silence),
             stopped_at = excluded.stopped_at,
             next_restart_at = excluded.next_restart_at,
             updated = excluded.updated
    )
    select report.sensor
      from report
      join sensor
        on sensor.id = report.sensor
     where not exists (select from free where free.id = report.sensor)`,
  values: ({ reports, nowMs }) => [JSON.stringify(reports.map(columnsOf)), new Date(nowMs).toISOString()],
  decode: (row) => ({ sensorId: row.id("sensor") }),
};

function columnsOf(report: SensorReport): object {
  return {
    sensor: report.sensorId,
    instance: report.instance,
    status: report.status,
    pid: report.pid,
    failures: report.failures,
    recent_runs: report.recentRuns,
    recent_failures: report.recentFailures,
    exit_code: report.exitCode,
    signal: report.signal,
    reason: storableText(report.reason),
    stderr_excerpt: storableText(report.stderrExcerpt),
    started_at: report.startedAt,
    first_output_at: report.firstOutputAt,
    last_output_at: report.lastOutputAt,
    output_interval: report.outputIntervalSeconds,
    longest_silence: report.longestSilenceSeconds,
    stopped_at: report.stoppedAt,
    next_restart_at: report.nextRestartAt,
  };
}

/** PostgreSQL's text cannot contain NUL or half a surrogate pair. */
function storableText(text: string | null): string | null {
  return text?.replaceAll("\0", "\u{FFFD}").toWellFormed() ?? null;
}
