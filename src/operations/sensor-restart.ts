/**
 * Restarts a sensor wherever it runs: here, or through the mailbox on the worker that owns it.
 *
 * The caller waits until the sensor has been restarted, within limits. If the owner dies meanwhile, the worker that
 * takes the sensor over finds the request and answers it.
 */
import type { TakenRequest } from "../database/statements/worker-requests.ts";
import type { SensorOwner } from "../database/statements/sensor-owner.ts";
import type { Id } from "../model/identifiers.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json/json.ts";
import type { RestartResult } from "../model/sensors/restart-result.ts";
import { sensorStates } from "../model/sensors/sensor-state.ts";
import type { WorkerMailbox } from "./worker-mailbox.ts";

/** The sensors of this worker. */
export interface RestartableSensors {
  isRunning(sensorId: Id): boolean;
  restart(sensorId: Id, limitMs: number): Promise<RestartResult>;
}

export type RestartOutcome =
  | (RestartResult & { readonly workerName: string })
  | { readonly kind: "unknown-sensor" }
  /** No worker owns it. */
  | { readonly kind: "unplaced" }
  | { readonly kind: "no-answer"; readonly workerName: string };

export interface SensorRestartOptions {
  readonly workerName: string;
  /** Of this worker's process. */
  readonly instance: string;
  /** Undefined: there is no such sensor. */
  readonly readOwner: (sensorRef: string) => Promise<SensorOwner | undefined>;
  readonly sensors: RestartableSensors;
  readonly mailbox: Pick<WorkerMailbox, "ask">;
}

/** How long the owner waits for the former process to end and the new one to start. */
const restartMsMax = 8_000;
/** How long another worker waits for the owner: longer than a lease, so that a dead owner's successor can answer. */
const answerMsMax = 15_000;

export class SensorRestart {
  readonly #options: SensorRestartOptions;

  constructor(options: SensorRestartOptions) {
    this.#options = options;
  }

  /** @param signal the caller waits no longer; the restart goes on */
  async restart(sensorRef: string, signal: AbortSignal): Promise<RestartOutcome> {
    const { readOwner, sensors, mailbox, instance, workerName } = this.#options;
    const owner = await readOwner(sensorRef);
    if (owner === undefined) return { kind: "unknown-sensor" };
    const { sensorId } = owner;
    if (owner.instance === instance || sensors.isRunning(sensorId)) {
      return { ...(await sensors.restart(sensorId, restartMsMax)), workerName };
    }
    if (owner.instance === null) return { kind: "unplaced" };

    const answer = await mailbox.ask({ kind: "restart", sensorId, parameters: {} }, answerMsMax, signal);
    return answer === undefined ? { kind: "no-answer", workerName: owner.workerName } : decodeOutcome(answer);
  }

  /** For another worker. */
  async carryOut({ sensorId }: TakenRequest): Promise<JsonObject> {
    const { sensors, workerName } = this.#options;
    return { ...(await sensors.restart(sensorId, restartMsMax)), workerName };
  }
}

/** @throws if another version of the agent answered in a way that this one does not know */
function decodeOutcome(answer: JsonValue): RestartOutcome {
  const { kind, state, reason, workerName } = isJsonObject(answer) ? answer : {};
  if (typeof workerName === "string") {
    const known = sensorStates.find((each) => each === state);
    if (kind === "restarted" && known !== undefined) return { kind, state: known, workerName };
    if (kind === "under-way") return { kind, workerName };
    if (kind === "refused" && typeof reason === "string") return { kind, reason, workerName };
  }
  throw new Error(`another worker answered a restart with ${JSON.stringify(answer)}`);
}
