/** What is known of one sensor beside its definition and its process: the term of its owner, and where it resumes. */
import type { Id } from "../../model/identifiers.ts";
import type { Statement } from "../statement.ts";

export interface SensorHold {
  /** Null: it was never assigned. */
  readonly generation: Id | null;
  /** Of the worker's process that owns it; null: none does. */
  readonly instance: string | null;
  readonly claimedAt: Date | null;
  readonly leaseExpiresAt: Date | null;
  /** Null: it has no checkpoint. */
  readonly checkpointAt: Date | null;
}

export const readSensorHold: Statement<string, SensorHold> = {
  name: "read_sensor_hold",
  text: `
    select assignment.generation, assignment.instance, assignment.claimed_at, holder.lease_expires_at,
           checkpoint.updated as checkpoint_at
      from sensor
      left join sensor_assignment as assignment
             on assignment.sensor = sensor.id
      left join worker as holder
             on holder.id = assignment.worker
            and holder.instance = assignment.instance
      left join sensor_checkpoint as checkpoint
             on checkpoint.sensor = sensor.id
     where sensor.ref = $1`,
  values: (ref) => [ref],
  decode: (row) => ({
    generation: row.idOrNull("generation"),
    instance: row.textOrNull("instance"),
    claimedAt: row.instantOrNull("claimed_at"),
    leaseExpiresAt: row.instantOrNull("lease_expires_at"),
    checkpointAt: row.instantOrNull("checkpoint_at"),
  }),
};
