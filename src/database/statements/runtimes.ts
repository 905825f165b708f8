import type { RuntimeDefinition } from "../../model/definitions.ts";
import type { JsonValue } from "../../model/json/json.ts";
import type { Statement } from "../statement.ts";

/** Every runtime for sensors. Its JSON is not decoded here, so that one malformed row hides no other. */
export const readSensorRuntimes: Statement<void, RuntimeDefinition> = {
  name: "read_sensor_runtimes",
  text: `
    select id, ref, pack_ref, name, description, distributions, installation, execution_config
      from runtime
     where runtime_type = 'sensor'
     order by id`,
  values: () => [],
  decode: (row) => ({
    id: row.id("id"),
    ref: row.text("ref"),
    packRef: row.textOrNull("pack_ref"),
    name: row.text("name"),
    description: row.textOrNull("description"),
    distributions: row.json("distributions"),
    installation: row.json("installation"),
    executionConfig: row.json("execution_config"),
  }),
};

export interface KeptVerification {
  readonly runtimeRef: string;
  readonly fingerprint: string;
  readonly outcome: JsonValue;
}

/** This worker's results from the last `ttlSeconds`, by the database's clock. */
export const readVerifications: Statement<
  { readonly workerName: string; readonly ttlSeconds: number },
  KeptVerification
> = {
  name: "read_runtime_verifications",
  text: `
    select runtime_ref, fingerprint, outcome
      from runtime_verification
     where worker_name = $1
       and verified_at > clock_timestamp() - make_interval(secs => $2)
       and verified_at <= clock_timestamp()`,
  values: ({ workerName, ttlSeconds }) => [workerName, ttlSeconds],
  decode: (row) => ({
    runtimeRef: row.text("runtime_ref"),
    fingerprint: row.text("fingerprint"),
    outcome: row.json("outcome"),
  }),
};

/**
 * Stores this worker's latest results, and deletes old results of any worker, because container names come and go.
 * Two processes with the same name write the same facts about the same machine, or differ in the fingerprint; the
 * later one may win.
 */
export const keepVerifications: Statement<
  { readonly workerName: string; readonly found: readonly KeptVerification[] },
  { readonly runtimeRef: string }
> = {
  name: "keep_runtime_verifications",
  text: `
    with forgotten as (
      delete from runtime_verification
       where worker_name <> $1
         and verified_at < clock_timestamp() - interval '7 days'
    )
    insert into runtime_verification (worker_name, runtime_ref, fingerprint, outcome, verified_at)
    select $1, runtime_ref, fingerprint, outcome, clock_timestamp()
      from jsonb_to_recordset($2::jsonb) as found (runtime_ref text, fingerprint text, outcome jsonb)
     order by runtime_ref
    on conflict (worker_name, runtime_ref) do update
       set fingerprint = excluded.fingerprint,
           outcome = excluded.outcome,
           verified_at = excluded.verified_at
    returning runtime_ref`,
  values: ({ workerName, found }) => [
    workerName,
    JSON.stringify(
      found.map(({ runtimeRef, fingerprint, outcome }) => ({
        runtime_ref: runtimeRef,
        fingerprint,
        outcome,
      })),
    ),
  ],
  decode: (row) => ({ runtimeRef: row.text("runtime_ref") }),
};
