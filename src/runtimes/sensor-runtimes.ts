/**
 * Keeps the runtimes that this worker offers up to date.
 *
 * Each step reads the rows, verifies those whose stored verification no longer applies, and builds the offer.
 * So the next step notices runtimes that were installed or removed and rows that were inserted or changed; a
 * changed row wakes the loop at once. Announcing a changed capability is retried until it succeeds, because
 * other workers rely on it.
 *
 * The offer changes only at the end of a step, as a whole, so interrupted verifications and partial reads are
 * never published.
 */
import { isDeepStrictEqual } from "node:util";
import pMap from "p-map";
import type { RuntimeDefinition } from "../model/definitions.ts";
import {
  offerRuntimes,
  type JudgedRuntime,
  type RuntimeAnswer,
  type RuntimeCapabilities,
  type RuntimeOffer,
} from "../model/runtimes/runtime-offer.ts";
import { canonicalRuntimeName } from "../model/runtimes/runtime-names.ts";
import { decodeOutcome, describeOutcome, type RuntimeOutcome } from "../model/runtimes/runtime-outcome.ts";
import { decodeRuntimePlan } from "../model/runtimes/runtime-plan.ts";
import type { RuntimeSelection } from "../model/runtimes/runtime-selection.ts";
import { isJsonObject } from "../model/json/json.ts";
import type { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Database } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import {
  keepVerifications,
  readSensorRuntimes,
  readVerifications,
  type KeptVerification,
} from "../database/statements/runtimes.ts";
import type { ProcessGuard } from "../processes/guard.ts";
import type { Logger } from "../telemetry/logger.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import { Reported } from "../telemetry/reported.ts";
import type { Clock } from "../time/clock.ts";
import { concurrentCommandsMax } from "./concurrent-commands.ts";
import { runtimeFingerprint } from "./runtime-fingerprint.ts";
import { assumeRuntime, binariesOf, verifyRuntime, type RuntimeMachine } from "./runtime-verification.ts";

export interface CapabilityChange {
  readonly before: RuntimeCapabilities;
  readonly after: RuntimeCapabilities;
}

export interface RuntimeListeners {
  /** Announces a change; called again after the next step if it rejects. */
  readonly makeKnown: (change: CapabilityChange) => Promise<void>;
  /**
   * The answers of `offered` have changed, though perhaps not the capabilities: a new row for an interpreter
   * that was detected at start changes only the former.
   */
  readonly onAnswersChanged: () => void;
}

export interface SensorRuntimesOptions {
  readonly database: Database;
  readonly workerName: string;
  readonly selection: RuntimeSelection;
  readonly machine: RuntimeMachine;
  /** Ends commands that outlive this process. */
  readonly guard?: Pick<ProcessGuard, "watch">;
  /** How long a verification stays valid while the row and the files are unchanged. */
  readonly cacheTtlMs: number;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class SensorRuntimes {
  readonly #options: SensorRuntimesOptions;
  readonly #loop: WakeableLoop;
  /** By runtime ref, as last logged. */
  readonly #reported = new Reported<string>();
  #offer: RuntimeOffer;
  #judged: readonly JudgedRuntime[] = [];
  #announced: RuntimeCapabilities | undefined;
  /** The number of steps begun, and the last one that completed reading the rows. */
  #steps = 0;
  #stepRead = 0;
  /** Requested refs without an answer, with the number of steps begun at that time. */
  readonly #sought = new Map<string, number>();
  #listeners: RuntimeListeners = { makeKnown: async () => {}, onAnswersChanged: () => {} };

  constructor(options: SensorRuntimesOptions) {
    const { selection, machine, intervalMs } = options;
    this.#options = options;
    this.#offer = offerRuntimes(selection, [], machine.detected);
    this.#loop = reportedLoop(
      {
        texts: { begins: "could not verify runtimes; trying again", ends: "runtimes are verified again" },
        step: (signal) => this.#reconcile(signal),
        intervalMs,
        retry: { delayMsFirst: 1_000, delayMsMax: 60_000 },
      },
      { ...options, random: Math.random },
    );
  }

  /** Verifies for the first time, so that the worker can register with its capabilities. */
  async verify(signal: AbortSignal): Promise<void> {
    await this.#refresh(signal);
    this.#announced = this.#offer.capabilities;
  }

  /** Verifies again when woken and at every interval, until the signal aborts. */
  async run(signal: AbortSignal, listeners: RuntimeListeners): Promise<void> {
    this.#listeners = listeners;
    await this.#loop.run(signal);
  }

  /** A runtime row may have changed. */
  wake(): void {
    this.#sought.clear();
    this.#loop.wake();
  }

  get capabilities(): RuntimeCapabilities {
    return this.#offer.capabilities;
  }

  /** The outcome for each row on this machine, in order of the rows. */
  get judged(): readonly JudgedRuntime[] {
    return this.#judged;
  }

  /** The runtime that sensors with this runtime_ref run with here, or why they cannot. */
  offered(runtimeRef: string): RuntimeAnswer {
    const { answers } = this.#offer;
    return (
      answers.get(runtimeRef) ?? {
        kind: "unavailable",
        reason: `sensor runtime ${runtimeRef} does not exist`,
      }
    );
  }

  /**
   * Whether the answer of `offered` is final until something changes. It is not while the runtime's row may have
   * just been inserted: then a read of the rows that begins from now on must complete first, after which
   * `onAnswersChanged` is called.
   */
  hasLookedFor(runtimeRef: string): boolean {
    if (this.#offer.answers.has(runtimeRef)) {
      this.#sought.delete(runtimeRef);
      return true;
    }
    const soughtAt = this.#sought.get(runtimeRef);
    if (soughtAt !== undefined) return this.#stepRead > soughtAt;
    this.#sought.set(runtimeRef, this.#steps);
    this.#loop.wake();
    return false;
  }

  async #reconcile(signal: AbortSignal): Promise<void> {
    const { makeKnown, onAnswersChanged } = this.#listeners;
    const { answers } = this.#offer;
    const stepRead = this.#stepRead;
    await this.#refresh(signal);
    const isNewlyKnown = [...this.#sought.values()].some(
      (soughtAt) => soughtAt >= stepRead && soughtAt < this.#stepRead,
    );
    if (isNewlyKnown || !isDeepStrictEqual(answers, this.#offer.answers)) onAnswersChanged();
    const before = this.#announced ?? this.#offer.capabilities;
    const after = this.#offer.capabilities;
    if (!isDeepStrictEqual(before, after)) await makeKnown({ before, after });
    this.#announced = after;
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    const { database, workerName, cacheTtlMs, selection, machine } = this.#options;
    this.#steps += 1;
    const step = this.#steps;
    const definitions = await rowsOf(database, readSensorRuntimes, undefined);
    const kept = new Map(
      (await rowsOf(database, readVerifications, { workerName, ttlSeconds: cacheTtlMs / 1000 })).map(
        (verification) => [verification.runtimeRef, verification],
      ),
    );

    const found: KeptVerification[] = [];
    const judged: JudgedRuntime[] = [];
    const judge = (definition: RuntimeDefinition) =>
      this.#judge(definition, kept.get(definition.ref), signal);
    for (const { runtime, fresh } of await pMap(definitions, judge, { concurrency: concurrentCommandsMax })) {
      judged.push(runtime);
      if (fresh !== undefined) found.push(fresh);
    }
    if (signal.aborted) return;

    this.#stepRead = step;
    this.#judged = judged;
    this.#offer = offerRuntimes(selection, judged, machine.detected);
    this.#report(judged);
    if (found.length > 0) await rowsOf(database.relaxed, keepVerifications, { workerName, found });
  }

  /** Never rejects because of a row's contents or a command's behaviour. */
  async #judge(
    definition: RuntimeDefinition,
    kept: KeptVerification | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly runtime: JudgedRuntime; readonly fresh?: KeptVerification }> {
    const { machine, selection, guard } = this.#options;
    const { ref } = definition;
    const judged = (outcome: RuntimeOutcome): JudgedRuntime => ({
      ref,
      name: canonicalRuntimeName(definition.name),
      executionConfig: isJsonObject(definition.executionConfig) ? definition.executionConfig : {},
      outcome,
    });

    const plan = decodeRuntimePlan(definition);
    if (plan.kind === "invalid") return { runtime: judged({ kind: "malformed", problem: plan.problem }) };
    if (selection.kind === "override" || plan.value.isAlwaysAvailable) {
      return { runtime: judged(assumeRuntime(plan.value, machine)) };
    }

    const fingerprint = runtimeFingerprint(definition, binariesOf(plan.value), machine.lookup);
    const keptOutcome = kept?.fingerprint === fingerprint ? decodeOutcome(kept.outcome) : undefined;
    if (keptOutcome !== undefined) return { runtime: judged(keptOutcome) };

    const outcome = await verifyRuntime(plan.value, machine, signal, guard);
    return { runtime: judged(outcome), fresh: { runtimeRef: ref, fingerprint, outcome } };
  }

  /** Logs each runtime's outcome once, and again when it changes. */
  #report(judged: readonly JudgedRuntime[]): void {
    const { logger } = this.#options;
    for (const { ref, name, outcome } of judged) {
      const answer = this.offered(ref);
      const description = answer.kind === "offered" ? describeOutcome(outcome) : answer.reason;
      if (!this.#reported.isNew(ref, description)) continue;

      const fields = { runtime_ref: ref, outcome: outcome.kind };
      const runtime = `${name} (${ref}): ${description}`;
      if (answer.kind === "offered") logger.info(fields, `✓ Runtime available: ${runtime}`);
      // Available but excluded on purpose, so not worth an operator's attention.
      else if (outcome.kind === "available") logger.debug(fields, `- Runtime not offered: ${runtime}`);
      else if (outcome.kind === "missing") logger.info(fields, `✗ Runtime not available: ${runtime}`);
      else logger.warn(fields, `✗ Runtime not available: ${runtime}`);
    }
  }
}
