import type { SensorDefinition } from "../../model/definitions.ts";
import type { AssignmentTerm } from "../../model/sensors/incoming-event.ts";
import type { TokenRequest } from "../ports.ts";

/** What a token for the programs of a sensor is minted for. */
export function tokenRequest(
  { id, ref, triggers }: SensorDefinition,
  term: AssignmentTerm,
  ttlSeconds: number,
): TokenRequest {
  return {
    sensorRef: ref,
    sensorId: id,
    triggerRefs: triggers.map((trigger) => trigger.ref),
    term,
    ttlSeconds,
  };
}
