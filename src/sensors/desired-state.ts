/** Whether a sensor that is assigned to this worker should run, and as what, as its rows and the runtimes say. */
import type { AssignedSensorRow } from "../database/statements/assigned-sensors.ts";
import { jsonDepthMax } from "../model/json/json-text.ts";
import type { RuntimeAnswer } from "../model/runtimes/runtime-offer.ts";
import { sensorKindOf, type SensorKind } from "../model/sensors/sensor-kind.ts";
import { decodeAssignedSensor, type AssignedSensor } from "./assigned-sensor.ts";
import type { OfferedRuntimes } from "./ports.ts";

export type DesiredState =
  | {
      readonly kind: "wanted";
      readonly sensor: AssignedSensor;
      readonly sensorKind: SensorKind;
      readonly runtime: RuntimeAnswer;
    }
  | DesiredRest;

export interface DesiredRest {
  /**
   * - pending: it is not known yet whether it can run; a wake follows
   * - unwanted: it should not run
   * - unable: it should run, but its rows make that impossible
   */
  readonly kind: "pending" | "unwanted" | "unable";
  readonly ref: string;
  readonly reason: string;
}

const rulesNamedMax = 3;

export function desiredStateOf(row: AssignedSensorRow, runtimes: OfferedRuntimes): DesiredState {
  const { ref } = row;
  const decoded = decodeAssignedSensor(row);
  if (decoded.kind === "invalid") return { kind: "unable", ref, reason: decoded.problem };
  const sensor = decoded.value;
  const { enabled, protocol, entrypoint, runtimeRef } = sensor.definition;
  if (!enabled) return { kind: "unwanted", ref, reason: "it is disabled" };
  if (sensor.rules.length === 0) {
    return { kind: "unwanted", ref, reason: whyIdle(sensor) };
  }
  const runtime = runtimes.offered(runtimeRef);
  const runtimeName = runtime.kind === "offered" ? runtime.runtime.name : null;
  const kind = sensorKindOf({ protocol, entrypoint, runtimeRef, runtimeName });
  if (kind.kind === "invalid") return { kind: "unable", ref, reason: kind.problem };
  if (runtime.kind === "pending") {
    return { kind: "pending", ref, reason: `its runtime ${runtimeRef} is not verified yet` };
  }
  return { kind: "wanted", sensor, sensorKind: kind.value, runtime };
}

/** Of a sensor without a rule that it could run for. */
function whyIdle({ unusableRules }: AssignedSensor): string {
  if (unusableRules.length === 0) return "no enabled rule needs its events";
  const more = unusableRules.length - rulesNamedMax;
  const named = `${unusableRules.slice(0, rulesNamedMax).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  return `none of its enabled rules can be used: correct the trigger_params of ${named}, which must be a JSON object of at most ${jsonDepthMax} levels`;
}
