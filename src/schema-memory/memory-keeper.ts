/**
 * Adds up what agents have learned about payloads, and reports when payloads of a trigger begin to look different.
 *
 * One agent at a time does it, the one that holds the lock `schema-memory`. A change is reported before the samples that show
 * it are added: after a crash in between it is noticed again, and its alert, which has a dedup_key, is stored once.
 */
import type { Database } from "../database/database.ts";
import { SoleTurn } from "../database/sole-turn.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import {
  forgetMemories,
  readEnabledRulesOf,
  readMemory,
  readSamples,
  readTriggerSchema,
  storeMemory,
  type SampleRow,
} from "../database/statements/schema-memory.ts";
import { listOf, objectOf, type JsonObject } from "../model/json/json.ts";
import { driftAlert, driftKey, driftSentence, type ConcernedDrift } from "../model/schema-memory/alert.ts";
import { compareWithSchema } from "../model/schema-memory/compare-schema.ts";
import { learn, type Drift } from "../model/schema-memory/memory-drift.ts";
import { driftJson, memoryJson, parseMemory } from "../model/schema-memory/memory-json.ts";
import type { PayloadMemory } from "../model/schema-memory/payload-memory.ts";
import { rulesReading } from "../model/schema-memory/reading-rules.ts";
import { TokenBucket } from "../model/schema-memory/token-bucket.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import type { Clock } from "../time/clock.ts";

export interface MemoryKeeperOptions {
  readonly database: Database;
  /** Stores an event of core.alert, once for a key. */
  readonly alert: (payload: JsonObject, dedupKey: string) => Promise<void>;
  readonly metrics: Pick<Metrics, "payloadsDrifted">;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

const intervalMs = 60_000;
const pageSamples = 100;
const forgetIntervalMs = 3_600_000;
const forgottenDays = 90;
const driftsKept = 20;
const readRulesMax = 1_000;
/** Reports of changes, in the log and as alerts. */
const reportRate = { burst: 10, perSecond: 10 / 3_600 };

export class MemoryKeeper {
  readonly #options: MemoryKeeperOptions;
  readonly #reports: TokenBucket;
  readonly #turn: SoleTurn;
  #forgotAtMs: number | undefined;

  constructor(options: MemoryKeeperOptions) {
    this.#options = options;
    this.#turn = new SoleTurn(options.database, "schema-memory");
    this.#reports = new TokenBucket(reportRate, options.clock.monotonicMs());
  }

  async run(signal: AbortSignal): Promise<void> {
    const loop = reportedLoop(
      {
        step: () => this.step(signal),
        intervalMs,
        retry: { delayMsFirst: 5_000, delayMsMax: 300_000 },
        texts: {
          begins: "could not add up what payloads look like; changes of them are noticed later",
          ends: "what payloads look like is added up again",
        },
      },
      this.#options,
    );
    try {
      await loop.run(signal);
    } finally {
      await this.#turn[Symbol.asyncDispose]();
    }
  }

  /** Adds all samples that wait. */
  async step(signal: AbortSignal): Promise<void> {
    const { database, clock } = this.#options;
    if (!(await this.#turn.take())) return;
    while (!signal.aborted) {
      const page = await rowsOf(database, readSamples, { countMax: pageSamples });
      for (const [triggerRef, samples] of Map.groupBy(page, (sample) => sample.triggerRef)) {
        await this.#add(triggerRef, samples);
      }
      if (page.length < pageSamples) break;
    }
    const nowMs = clock.monotonicMs();
    if (this.#forgotAtMs !== undefined && nowMs - this.#forgotAtMs < forgetIntervalMs) return;
    await rowsOf(database, forgetMemories, { days: forgottenDays });
    this.#forgotAtMs = nowMs;
  }

  async #add(triggerRef: string, samples: readonly SampleRow[]): Promise<void> {
    const { database } = this.#options;
    const known = await rowOf(database, readMemory, { triggerRef });
    const learned = samples
      .map(({ content }) => parseMemory(content))
      .reduce<{ readonly memory: PayloadMemory; readonly drifts: readonly Drift[] } | undefined>(
        (sum, sample) => {
          if (sum === undefined) return { memory: sample, drifts: [] };
          const next = learn(sum.memory, sample);
          return { memory: next.memory, drifts: [...sum.drifts, ...next.drifts] };
        },
        known === undefined ? undefined : { memory: parseMemory(known.content), drifts: [] },
      );
    if (learned === undefined) return;
    const { memory, drifts } = learned;
    await this.#report(triggerRef, memory, drifts);
    const noted = [...listOf(known?.drifts), ...drifts.map(driftJson)].slice(-driftsKept);
    await rowOf(database, storeMemory, {
      triggerRef,
      sampleIds: samples.map(({ id }) => id),
      content: JSON.stringify(memoryJson(memory)),
      drifts: JSON.stringify(noted),
    });
  }

  async #report(triggerRef: string, memory: PayloadMemory, drifts: readonly Drift[]): Promise<void> {
    if (drifts.length === 0) return;
    const { database, alert, metrics, logger, clock } = this.#options;
    const rules = await rowsOf(database, readEnabledRulesOf, { triggerRef, countMax: readRulesMax });
    const schema = objectOf(await rowOf(database, readTriggerSchema, { triggerRef }));
    const differing = new Set(compareWithSchema(memory, schema).map(({ path }) => path));
    let unreported = 0;
    for (const drift of drifts) {
      metrics.payloadsDrifted(triggerRef);
      if (!this.#reports.has(clock.monotonicMs())) {
        unreported += 1;
        continue;
      }
      this.#reports.take();
      const concerned: ConcernedDrift = {
        triggerRef,
        drift,
        rules: rulesReading(drift.path, rules),
        isForbidden: differing.has(drift.path),
      };
      logger.warn(
        { trigger_ref: triggerRef, path: drift.path, rules: concerned.rules },
        driftSentence(concerned),
      );
      await alert(driftAlert(concerned), driftKey(concerned));
    }
    if (unreported > 0) {
      logger.warn(
        { trigger_ref: triggerRef, changes: unreported },
        `payloads of ${triggerRef} changed in ${unreported} more ways; see triggers schema ${triggerRef}`,
      );
    }
  }
}
