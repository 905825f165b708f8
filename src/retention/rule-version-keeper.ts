/** Deletes old versions of rules, once an hour: those beyond their time, and those beyond a number for each ref. */
import type { Database } from "../database/database.ts";
import { rowOf, type Statement } from "../database/statement.ts";
import { boundVersions, forgetVersions } from "../database/statements/rule-versions.ts";
import { counted } from "../model/texts/counted.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";

export interface RuleVersionKeeperOptions {
  readonly database: Database;
  /** How long a version of a rule is kept after the next one. */
  readonly ruleVersionSeconds: number;
  readonly logger: Logger;
  readonly clock: Clock;
}

const intervalMs = 3_600_000;
const countMax = 1_000;
/** However many a year of changes makes: a program that toggles a rule every second makes 31 million. */
const keptOfRef = 1_000;

export class RuleVersionKeeper {
  readonly #options: RuleVersionKeeperOptions;
  #keptAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: RuleVersionKeeperOptions) {
    this.#options = options;
  }

  /** Does nothing if it was done within the last hour. */
  async keep(signal: AbortSignal): Promise<void> {
    const { clock, logger, ruleVersionSeconds: keptSeconds } = this.#options;
    if (clock.monotonicMs() - this.#keptAtMs < intervalMs) return;
    const total =
      (await this.#delete(forgetVersions, { keptSeconds, countMax }, signal)) +
      (await this.#delete(boundVersions, { keptOfRef, countMax }, signal));
    this.#keptAtMs = clock.monotonicMs();
    if (total > 0) logger.info({ versions: total }, `deleted ${counted(total, "old version")} of rules`);
  }

  /** Until a statement finds fewer than it may delete. */
  async #delete<Input extends { readonly countMax: number }>(
    statement: Statement<Input, { readonly count: number }>,
    input: Input,
    signal: AbortSignal,
  ): Promise<number> {
    let total = 0;
    for (;;) {
      signal.throwIfAborted();
      const deleted = await rowOf(this.#options.database, statement, input);
      const count = deleted?.count ?? 0;
      total += count;
      if (count < input.countMax) return total;
    }
  }
}
