/**
 * Verifies some of the stored rows now and then, so that a defect is noticed without a request.
 *
 * One agent at a time does it, the one that holds the lock `verification`. A step looks at one page of events: in turn the
 * newest ones, and a page from anywhere.
 */
import type { Database } from "../database/database.ts";
import { SoleTurn } from "../database/sole-turn.ts";
import { violationKinds, type Violation, type ViolationKind } from "../model/verification/violation.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import type { Clock } from "../time/clock.ts";
import { VerificationReport } from "./verification-report.ts";
import { readEventRange, verifySample } from "./verify.ts";

export interface ContinuousVerificationOptions {
  readonly database: Database;
  readonly installationId: string;
  readonly metrics: Pick<Metrics, "invariantViolated">;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

const intervalMs = 120_000;
const newestEvents = 1_000n;
/** Violations that are remembered, so that each counts once. */
const knownMax = 10_000;
const loggedMax = 20;

export class ContinuousVerification {
  readonly #options: ContinuousVerificationOptions;
  readonly #known = new Set<string>();
  readonly #turn: SoleTurn;
  #isNewestNext = true;

  constructor(options: ContinuousVerificationOptions) {
    this.#options = options;
    this.#turn = new SoleTurn(options.database, "verification");
  }

  async run(signal: AbortSignal): Promise<void> {
    const loop = reportedLoop(
      {
        step: () => this.step(signal),
        intervalMs,
        retry: { delayMsFirst: 30_000, delayMsMax: 600_000 },
        texts: {
          begins: "could not verify stored rows; trying again",
          ends: "stored rows are verified again",
        },
      },
      this.#options,
    );
    // Not while everything else starts.
    await this.#options.clock.sleep(intervalMs * this.#options.random(), signal);
    try {
      await loop.run(signal);
    } finally {
      await this.#turn[Symbol.asyncDispose]();
    }
  }

  async step(signal: AbortSignal): Promise<void> {
    const { database, installationId } = this.#options;
    if (!(await this.#turn.take())) return;
    const range = await readEventRange(database);
    if (range === undefined) return;
    const report = new VerificationReport((violation) => this.#note(violation));
    const options = { database, installationId, report, isRepairing: false, signal };
    await verifySample(options, { first: range.firstKept, from: this.#fromOf(range) });
    this.#isNewestNext = !this.#isNewestNext;
  }

  #fromOf({ first, last }: { readonly first: bigint; readonly last: bigint }): bigint {
    const newest = last - newestEvents > first ? last - newestEvents : first;
    if (this.#isNewestNext || last <= first) return newest;
    return first + BigInt(Math.floor(Number(last - first) * this.#options.random()));
  }

  #note({ kind, text }: Violation): void {
    const key = `${kind} ${text}`;
    if (this.#known.has(key)) return;
    if (this.#known.size < knownMax) this.#known.add(key);
    this.#options.metrics.invariantViolated(kind);
    if (this.#known.size <= loggedMax) this.#log(kind, text);
  }

  #log(kind: ViolationKind, text: string): void {
    this.#options.logger.error(
      { violation: kind },
      `stored rows contradict each other: ${text} (${violationKinds[kind].one}); run verify to see all, and what to do`,
    );
  }
}
