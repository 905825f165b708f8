/**
 * Notifies listeners of what this process does: `--watch`, the quickstart's display and tests.
 *
 * Without a listener this costs nothing, and nothing is kept.
 */
import type { Id } from "../model/identifiers.ts";
import type { JsonObject } from "../model/json/json.ts";

export type ActivityEntry =
  | {
      readonly kind: "sensor";
      readonly sensorRef: string;
      readonly status: string;
      readonly reason: string | null;
    }
  | {
      readonly kind: "event";
      readonly eventId: Id;
      readonly triggerRef: string;
      readonly sensorRef: string | null;
      readonly payload: JsonObject;
    }
  | {
      readonly kind: "enforcement";
      readonly enforcementId: Id;
      readonly eventId: Id;
      readonly ruleRef: string;
      readonly config: JsonObject;
    };

export type ActivityListener = (entry: ActivityEntry) => void;

export class Activity {
  readonly #listeners = new Set<ActivityListener>();

  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  subscribe(listener: ActivityListener): Disposable {
    this.#listeners.add(listener);
    return {
      [Symbol.dispose]: () => {
        this.#listeners.delete(listener);
      },
    };
  }

  tell(entry: ActivityEntry): void {
    for (const listener of this.#listeners) listener(entry);
  }
}
