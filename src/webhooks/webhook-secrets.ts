/**
 * Secrets of webhooks, from the key store. They are kept for a few seconds, in memory only, so that a request costs no read of its
 * own. A key may hold one secret or a list of them; all of them are valid, so that a sender can change from one to the next.
 */
import { isJsonArray, type JsonValue } from "../model/json/json.ts";
import type { Clock } from "../time/clock.ts";
import type { ReadSecret } from "./ports.ts";

interface Kept {
  readonly readAtMs: number;
  readonly values: Promise<readonly string[]>;
}

/** For a notification that was lost. */
const keptMs = 10_000;
const keptMax = 1_000;

export class WebhookSecrets {
  readonly #read: ReadSecret;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #kept = new Map<string, Kept>();

  constructor(read: ReadSecret, clock: Pick<Clock, "monotonicMs">) {
    this.#read = read;
    this.#clock = clock;
  }

  /** A key has changed. */
  wake(): void {
    this.#kept.clear();
  }

  /** All secrets of these keys; none if no such key exists. Rejects if a key cannot be read. */
  async valuesOf(refs: readonly string[]): Promise<readonly string[]> {
    const [only] = refs;
    if (refs.length === 1 && only !== undefined) return this.#valuesOf(only);
    return (await Promise.all(refs.map((ref) => this.#valuesOf(ref)))).flat();
  }

  #valuesOf(ref: string): Promise<readonly string[]> {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#kept.get(ref);
    if (known !== undefined && nowMs - known.readAtMs < keptMs) return known.values;
    const kept: Kept = { readAtMs: nowMs, values: this.#read(ref).then(textsOf) };
    this.#kept.delete(ref);
    this.#kept.set(ref, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > keptMax && oldest !== undefined) this.#kept.delete(oldest);
    kept.values.catch(() => {
      if (this.#kept.get(ref) === kept) this.#kept.delete(ref);
    });
    return kept.values;
  }
}

/** An empty secret is none: anyone could sign with it. */
function textsOf(value: JsonValue | undefined): readonly string[] {
  const values = value === undefined ? [] : isJsonArray(value) ? value : [value];
  return values.filter((each) => typeof each === "string" && each !== "").map(String);
}
