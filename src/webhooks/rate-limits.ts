/**
 * Rate limits of endpoints, counted in the database so that they hold across agents. Each limit of an endpoint has buckets of
 * its own: a changed limit begins with full ones, and rules with other methods on the same path may have another limit.
 *
 * An agent asks for all requests of a bucket that arrived while its last question was under way, in one statement. So a bucket's
 * row is locked once a round trip by each agent, however many requests there are. A bucket that is empty is not asked again
 * before it can have a request.
 */
import type { Queryable } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { takeFromRate } from "../database/statements/webhook-limits.ts";
import { addressNetwork } from "../model/identity/address-network.ts";
import type { RateLimit } from "../model/webhooks/endpoint-settings.ts";
import type { Clock } from "../time/clock.ts";

export interface RateDenial {
  readonly kind: "denied";
  /** After which a request may pass. */
  readonly retrySeconds: number;
}

export type RateVerdict = { readonly kind: "passes" } | RateDenial;

interface Waiter {
  readonly resolve: (verdict: RateVerdict) => void;
  readonly reject: (error: unknown) => void;
}

interface Bucket {
  readonly endpoint: string;
  readonly number: number;
  waiting: Waiter[];
  isAsking: boolean;
  emptyUntilMs: number;
}

/** Addresses share this many buckets of an endpoint, so that an attacker with many addresses makes no more rows. */
const bucketsPerEndpoint = 4_096;
/** Requests of one bucket that wait at once; more are denied. */
const waitingMax = 1_000;
const rememberedMax = 10_000;

const passes: RateVerdict = { kind: "passes" };

export class RateLimits {
  readonly #database: Queryable;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #buckets = new Map<string, Bucket>();

  constructor(database: Queryable, clock: Pick<Clock, "monotonicMs">) {
    this.#database = database;
    this.#clock = clock;
  }

  /** Rejects when the database does not answer. */
  async take(endpoint: string, limit: RateLimit, address: string): Promise<RateVerdict> {
    const bucket = this.#bucketFor(endpoint, limit, address);
    const denied = this.#deniedBy(bucket);
    if (denied !== undefined) return denied;
    if (bucket.waiting.length >= waitingMax) return { kind: "denied", retrySeconds: 1 };
    const { promise, resolve, reject } = Promise.withResolvers<RateVerdict>();
    bucket.waiting.push({ resolve, reject });
    if (!bucket.isAsking) void this.#ask(bucket, limit);
    return await promise;
  }

  /** How a request would be denied now, if that is known without asking the database. */
  known(endpoint: string, limit: RateLimit, address: string): RateDenial | undefined {
    return this.#deniedBy(this.#bucketFor(endpoint, limit, address));
  }

  #deniedBy({ emptyUntilMs }: Bucket): RateDenial | undefined {
    const leftMs = emptyUntilMs - this.#clock.monotonicMs();
    return leftMs > 0 ? { kind: "denied", retrySeconds: leftMs / 1_000 } : undefined;
  }

  #bucketFor(endpoint: string, limit: RateLimit, address: string): Bucket {
    const number = limit.per === "endpoint" ? 0 : 1 + (hashOf(address) % bucketsPerEndpoint);
    return this.#bucketOf(`${endpoint} ${limit.requests}/${limit.seconds}`, number);
  }

  #bucketOf(endpoint: string, number: number): Bucket {
    const key = `${number}/${endpoint}`;
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      this.#forgetIdle();
      bucket = { endpoint, number, waiting: [], isAsking: false, emptyUntilMs: -Infinity };
      this.#buckets.set(key, bucket);
    }
    return bucket;
  }

  #forgetIdle(): void {
    if (this.#buckets.size < rememberedMax) return;
    for (const [key, { isAsking, waiting }] of this.#buckets)
      if (!isAsking && waiting.length === 0) this.#buckets.delete(key);
  }

  async #ask(bucket: Bucket, { requests, seconds }: RateLimit): Promise<void> {
    bucket.isAsking = true;
    while (bucket.waiting.length > 0) {
      const asking = bucket.waiting;
      bucket.waiting = [];
      const { endpoint, number } = bucket;
      try {
        const request = { endpoint, bucket: number, wanted: asking.length, requests, seconds };
        const { granted = 0, retrySeconds = 1 } = (await rowOf(this.#database, takeFromRate, request)) ?? {};
        if (granted < asking.length) bucket.emptyUntilMs = this.#clock.monotonicMs() + retrySeconds * 1_000;
        for (const [index, { resolve }] of asking.entries())
          resolve(index < granted ? passes : { kind: "denied", retrySeconds });
      } catch (error) {
        for (const { reject } of asking) reject(error);
      }
    }
    bucket.isAsking = false;
  }
}

/** The same on all agents. */
function hashOf(address: string): number {
  let hash = 0x81_1c_9d_c5;
  for (const character of addressNetwork(address))
    hash = Math.imul(hash ^ character.charCodeAt(0), 0x01_00_01_93) >>> 0;
  return hash;
}
