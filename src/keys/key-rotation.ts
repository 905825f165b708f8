/**
 * Keeps values readable: encrypts those that the previous encryption key encrypted with the present one, a few at a time,
 * and counts those that no configured key decrypts.
 */
import type { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import { counted } from "../model/texts/counted.ts";
import type { Logger } from "../telemetry/logger.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import { Reported } from "../telemetry/reported.ts";
import type { Clock } from "../time/clock.ts";
import type { KeyStore } from "./key-store.ts";

export interface KeyRotationOptions {
  readonly store: Pick<KeyStore, "rotateSome" | "countUnreadable">;
  /** False: there is nothing to encrypt with, only to count. */
  readonly hasKey: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

const lookEveryMs = 600_000;
const batchSize = 50;
/** Between batches, so that a large store does not keep the database busy. */
const pauseMs = 100;
const retry = { delayMsFirst: 1_000, delayMsMax: 60_000 };

export class KeyRotation {
  readonly #options: KeyRotationOptions;
  readonly #loop: WakeableLoop;
  readonly #reported = new Reported<"unreadable">();
  #unreadable = 0;

  constructor(options: KeyRotationOptions) {
    this.#options = options;
    this.#loop = reportedLoop(
      {
        texts: {
          begins: "could not look through the key store; trying again",
          ends: "the key store is looked through again",
        },
        step: (signal) => this.#look(signal),
        intervalMs: lookEveryMs,
        retry,
      },
      options,
    );
  }

  /** Values that no configured key decrypts, as last counted. */
  get unreadable(): number {
    return this.#unreadable;
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { store, hasKey, clock, logger } = this.#options;
    let total = 0;
    let afterId = "0";
    while (!signal.aborted) {
      const rotated = hasKey ? await store.rotateSome(afterId, batchSize) : undefined;
      if (rotated === undefined) break;
      total += rotated.count;
      afterId = rotated.lastId;
      await clock.sleep(pauseMs, signal);
    }
    if (total > 0) {
      logger.info(
        { keys: total },
        `encrypted ${counted(total, "key")} with the present security.encryption_key`,
      );
    }
    this.#unreadable = await store.countUnreadable();
    if (this.#unreadable > 0 && this.#reported.isNew("unreadable", `${this.#unreadable}`)) {
      logger.warn(
        { keys: this.#unreadable },
        "some values in the key store cannot be decrypted: set security.encryption_key_previous to the key that was used before",
      );
    }
  }
}
