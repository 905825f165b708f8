/**
 * The assigned sensors that have no instance, with the reason.
 *
 * A reason is written to the sensor's row in sensor_process once per term: with a new term, the row may be another worker's,
 * or a restore of the database may have set it back.
 */
import type { Id } from "../model/identifiers.ts";
import { isSameTerm, type AssignmentTerm } from "../model/sensors/incoming-event.ts";
import type { SensorPorts } from "./assemble-instance.ts";
import type { DesiredRest } from "./desired-state.ts";
import { unstartedReport } from "./report/sensor-notes.ts";

interface Resting extends Pick<DesiredRest, "kind" | "reason"> {
  readonly term: AssignmentTerm;
}

export class RestingSensors {
  readonly #ports: Pick<SensorPorts, "recorder" | "onStatus" | "logger">;
  readonly #resting = new Map<Id, Resting>();

  constructor(ports: Pick<SensorPorts, "recorder" | "onStatus" | "logger">) {
    this.#ports = ports;
  }

  /** Undefined: it has an instance, or was not looked at yet. */
  reasonOf(id: Id): string | undefined {
    return this.#resting.get(id)?.reason;
  }

  /** One for each sensor. */
  *statuses(): Generator<"failed" | "stopped"> {
    for (const { kind } of this.#resting.values()) yield statusOf(kind);
  }

  note(id: Id, term: AssignmentTerm, { kind, ref, reason }: DesiredRest): void {
    const known = this.#resting.get(id);
    if (known?.kind === kind && known.reason === reason && isSameTerm(known.term, term)) return;
    this.#resting.set(id, { kind, reason, term });
    const status = statusOf(kind);
    const { recorder, onStatus, logger } = this.#ports;
    recorder.record(id, term.instance, { ...unstartedReport, status, reason });
    onStatus(ref, status, reason);
    if (kind === "unable") {
      logger.warn({ sensor_ref: ref, reason }, "a sensor assigned to this worker cannot be run");
    }
  }

  /** It has an instance now. */
  forget(id: Id): void {
    this.#resting.delete(id);
  }

  /** @param assigned the sensors of this worker, by id */
  keepOnly(assigned: ReadonlyMap<Id, unknown>): void {
    for (const id of this.#resting.keys()) if (!assigned.has(id)) this.#resting.delete(id);
  }
}

function statusOf(kind: DesiredRest["kind"]): "failed" | "stopped" {
  return kind === "unable" ? "failed" : "stopped";
}
