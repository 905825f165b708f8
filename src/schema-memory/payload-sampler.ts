/**
 * Learns from some of the events that this agent has stored what payloads of their triggers look like, and writes it to the
 * database now and then.
 *
 * Noting an event costs a look into a map. What is noted is learned later, one payload at a time, with at most a fiftieth of a
 * processor. The rates, the payloads that wait and the triggers are bounded; what exceeds them is not learned.
 */
import type { Queryable } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { writeSamples } from "../database/statements/schema-memory.ts";
import type { JsonObject } from "../model/json/json.ts";
import { memoryJson } from "../model/schema-memory/memory-json.ts";
import {
  memoryOf,
  mergeMemories,
  type IsHidden,
  type PayloadMemory,
} from "../model/schema-memory/payload-memory.ts";
import { TokenBucket } from "../model/schema-memory/token-bucket.ts";
import { alertTrigger } from "../model/schema-memory/alert.ts";
import type { Logger } from "../telemetry/logger.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import type { Clock } from "../time/clock.ts";

export interface PayloadSamplerOptions {
  /** What is lost in a crash is learned again. */
  readonly database: Queryable;
  readonly isHidden: IsHidden;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

const writeIntervalMs = 30_000;
const learnDelayMs = 100;
/** Of the time of one processor. */
const processorShare = 0.02;
const pauseMsMax = 1_000;
const triggersMax = 1_000;
const waitingMax = 500;
const waitingCharactersMax = 2 * 1024 * 1024;
/** Of one trigger, and of all. */
const triggerRate = { burst: 30, perSecond: 1 };
const totalRate = { burst: 200, perSecond: 50 };

interface Waiting {
  readonly triggerRef: string;
  readonly payload: JsonObject;
  readonly characters: number;
  readonly atMs: number;
}

export class PayloadSampler {
  readonly #options: PayloadSamplerOptions;
  readonly #rates = new Map<string, TokenBucket>();
  readonly #total: TokenBucket;
  readonly #waiting: Waiting[] = [];
  #waitingCharacters = 0;
  #learned = new Map<string, PayloadMemory>();
  #learning: Promise<void> | undefined;

  constructor(options: PayloadSamplerOptions) {
    this.#options = options;
    this.#total = new TokenBucket(totalRate, options.clock.monotonicMs());
  }

  /**
   * Called for every stored event.
   *
   * @param characters of the payload as text
   */
  note(triggerRef: string, payload: JsonObject, characters: number): void {
    // Alerts are about payloads, too: what they look like must not cause more of them.
    if (triggerRef === alertTrigger) return;
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    let rate = this.#rates.get(triggerRef);
    if (rate === undefined) {
      if (this.#rates.size >= triggersMax) return;
      rate = new TokenBucket(triggerRate, nowMs);
      this.#rates.set(triggerRef, rate);
    }
    if (!rate.has(nowMs)) return;
    if (this.#waiting.length >= waitingMax || this.#waitingCharacters + characters > waitingCharactersMax)
      return;
    if (!this.#total.has(nowMs)) return;
    rate.take();
    this.#total.take();
    this.#waitingCharacters += characters;
    this.#waiting.push({ triggerRef, payload, characters, atMs: clock.nowMs() });
    this.#learning ??= this.#learn();
  }

  async run(signal: AbortSignal): Promise<void> {
    const loop = reportedLoop(
      {
        step: () => this.write(),
        intervalMs: writeIntervalMs,
        retry: { delayMsFirst: 5_000, delayMsMax: 300_000 },
        texts: {
          begins: "could not write what payloads look like; it is kept in memory",
          ends: "what payloads look like is written again",
        },
      },
      this.#options,
    );
    await loop.run(signal);
  }

  /** Everything that was learned so far. */
  async write(): Promise<void> {
    if (this.#learned.size === 0) return;
    const written = this.#learned;
    this.#learned = new Map();
    const samples = Array.from(written, ([t, memory]) => ({ t, c: memoryJson(memory) }));
    try {
      await rowsOf(this.#options.database, writeSamples, { samples: JSON.stringify(samples) });
    } catch (error) {
      for (const [triggerRef, memory] of written) this.#add(triggerRef, memory);
      throw error;
    }
  }

  /** Resolves when nothing that was noted waits to be learned. */
  async settled(): Promise<void> {
    await this.#learning;
  }

  async #learn(): Promise<void> {
    const { clock, isHidden } = this.#options;
    await clock.sleep(learnDelayMs);
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { triggerRef, payload, characters, atMs } = next;
      this.#waitingCharacters -= characters;
      const beganMs = clock.monotonicMs();
      this.#add(triggerRef, memoryOf(payload, atMs, isHidden));
      const tookMs = clock.monotonicMs() - beganMs;
      await clock.sleep(Math.min(pauseMsMax, tookMs * (1 / processorShare - 1)));
    }
    this.#learning = undefined;
  }

  #add(triggerRef: string, memory: PayloadMemory): void {
    const known = this.#learned.get(triggerRef);
    this.#learned.set(triggerRef, known === undefined ? memory : mergeMemories(known, memory));
  }
}
