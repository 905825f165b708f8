/** What operators can observe of the sensors that have an instance on this worker, by their refs. */
import type { Clock } from "../time/clock.ts";
import type { FileWatching } from "./files/file-watching.ts";
import type { SensorInstance } from "./sensor-instance.ts";

export interface ObservedSensors {
  readonly instances: () => Iterable<SensorInstance>;
  readonly fileWatching: Pick<FileWatching, "polledPlaces">;
  readonly clock: Clock;
}

export class SensorObservations {
  readonly #sensors: ObservedSensors;

  constructor(sensors: ObservedSensors) {
    this.#sensors = sensors;
  }

  /** Running stream sensors that have printed no line, with the seconds since their start. */
  silentSeconds(): ReadonlyMap<string, number> {
    const nowMs = this.#sensors.clock.nowMs();
    return this.#numberBySensor(({ silentSince }) =>
      silentSince === null ? undefined : (nowMs - silentSince.getTime()) / 1_000,
    );
  }

  /** How long ago each running stream sensor last printed; without those that have not printed yet. */
  outputAgeSeconds(): ReadonlyMap<string, number> {
    return this.#numberBySensor((instance) => instance.outputAgeSeconds());
  }

  /** Stream sensors that have been silent for unusually long: 1 each. */
  unusuallySilent(): ReadonlyMap<string, number> {
    return this.#numberBySensor(({ isUnusuallySilent }) => (isUnusuallySilent ? 1 : undefined));
  }

  /** For how long standalone sensors that listened for rule changes have had no way to hear of any. */
  deafSeconds(): ReadonlyMap<string, number> {
    return this.#numberBySensor((instance) => instance.deafSeconds());
  }

  /** When an event of a sensor was last stored, in seconds of Unix time; without those that have none yet. */
  lastEventSeconds(): ReadonlyMap<string, number> {
    return this.#numberBySensor(({ lastEventSeconds }) => lastEventSeconds);
  }

  /** Sensors whose output is not being read because the pipeline has no room, with how long that has lasted. */
  stalledSeconds(): ReadonlyMap<string, number> {
    return this.#numberBySensor((instance) => instance.stalledSeconds());
  }

  /** Watched places that are polled although no rule asks for it, by why. */
  filePlacesPolled(): ReadonlyMap<string, number> {
    return this.#sensors.fileWatching.polledPlaces();
  }

  #numberBySensor(of: (instance: SensorInstance) => number | undefined): ReadonlyMap<string, number> {
    const numbers = new Map<string, number>();
    for (const instance of this.#sensors.instances()) {
      const value = of(instance);
      if (value !== undefined) numbers.set(instance.ref, value);
    }
    return numbers;
  }
}
