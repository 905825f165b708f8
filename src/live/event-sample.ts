/**
 * The newest events of one second, as many as fit into a report; the others are only counted.
 *
 * It keeps a few of each trigger, so that a trigger with one event is seen beside one with ten thousand. What it holds, and
 * what an event costs, does not depend on how many there are: their payloads are turned into text when they are taken.
 */
import type { Id } from "../model/identifiers.ts";
import { isJsonArray, isJsonObject, type JsonObject } from "../model/json/json.ts";
import type { LiveEntry } from "./live-report.ts";

export interface SampledEvent {
  readonly id: Id;
  readonly atMs: number;
  readonly triggerRef: string;
  readonly sensorRef: string | null;
  readonly payload: JsonObject;
}

const entriesMax = 20;
const triggersMax = 40;
const excerptMax = 140;

export class EventSample {
  /** The newest events of each trigger, as a ring. */
  readonly #rings = new Map<string, { readonly newest: SampledEvent[]; count: number }>();

  note(event: SampledEvent): void {
    let ring = this.#rings.get(event.triggerRef);
    if (ring === undefined) {
      if (this.#rings.size >= triggersMax) return;
      this.#rings.set(event.triggerRef, (ring = { newest: [], count: 0 }));
    }
    ring.newest[ring.count % entriesMax] = event;
    ring.count += 1;
  }

  /** The newest of each trigger, then the second newest of each, and so on; the oldest first. */
  entries(): LiveEntry[] {
    const rings = [...this.#rings.values()];
    const taken: SampledEvent[] = [];
    for (let back = 1; back <= entriesMax && taken.length < entriesMax; back += 1) {
      for (const { newest, count } of rings) {
        const event = back > count ? undefined : newest[(count - back) % entriesMax];
        if (event !== undefined && taken.length < entriesMax) taken.push(event);
      }
    }
    return taken
      .toSorted((one, other) => one.atMs - other.atMs || Number(one.id) - Number(other.id))
      .map(({ payload, ...entry }) => ({ ...entry, excerpt: excerptOf(payload) }));
  }
}

/** The first few members, so that a large payload costs no more than a small one. */
function excerptOf(payload: JsonObject): string {
  const parts: string[] = [];
  let length = 0;
  for (const [key, value] of Object.entries(payload)) {
    const text = isJsonArray(value)
      ? `[${value.length}]`
      : isJsonObject(value)
        ? "{…}"
        : JSON.stringify(typeof value === "string" ? value.slice(0, excerptMax) : value);
    const part = `${key}: ${text}`;
    parts.push(part);
    length += part.length + 2;
    if (length > excerptMax) break;
  }
  const text = parts.join(", ");
  return text.length <= excerptMax ? text : `${text.slice(0, excerptMax - 1)}…`;
}
