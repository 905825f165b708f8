/**
 * Secrets of webhooks, from the key store. They are kept for a few seconds, in memory only, so that a request costs no read of its
 * own. A key may hold one secret or a list of them; all of them are valid, so that a sender can change from one to the next.
 */
import { isJsonArray } from "../model/json/json.ts";
import type { Endpoint } from "../model/webhooks/endpoint-table.ts";
import { isSecretOf } from "../model/webhooks/webhook-key.ts";
import type { Clock } from "../time/clock.ts";
import type { ReadSecret, SecretKey } from "./ports.ts";

interface Kept {
  readonly readAtMs: number;
  readonly secrets: Promise<Secrets>;
}

interface Secrets extends Pick<SecretKey, "creatorPackRef"> {
  readonly values: readonly string[];
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

  /** All secrets of these keys that the endpoint accepts; none if no such key exists. Rejects if a key cannot be read. */
  async valuesOf(endpoint: Pick<Endpoint, "packRefs">, refs: readonly string[]): Promise<readonly string[]> {
    const found = await Promise.all(refs.map((ref) => this.#secretsOf(ref)));
    return found.filter((key) => isSecretOf(endpoint, key)).flatMap(({ values }) => values);
  }

  #secretsOf(ref: string): Promise<Secrets> {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#kept.get(ref);
    if (known !== undefined && nowMs - known.readAtMs < keptMs) return known.secrets;
    const kept: Kept = { readAtMs: nowMs, secrets: this.#read(ref).then(secretsIn) };
    this.#kept.delete(ref);
    this.#kept.set(ref, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > keptMax && oldest !== undefined) this.#kept.delete(oldest);
    kept.secrets.catch(() => {
      if (this.#kept.get(ref) === kept) this.#kept.delete(ref);
    });
    return kept.secrets;
  }
}

/** An empty secret is none: anyone could sign with it. */
function secretsIn(key: SecretKey | undefined): Secrets {
  if (key === undefined) return { values: [], creatorPackRef: null };
  const { value, creatorPackRef } = key;
  const values = isJsonArray(value) ? value : [value];
  return {
    values: values.filter((each) => typeof each === "string" && each !== "").map(String),
    creatorPackRef,
  };
}
