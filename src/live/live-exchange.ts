/**
 * Once a second, and only while somebody looks, all agents report what they do to the agents that show a page.
 *
 *     an agent with viewers   announces itself every `announceMs` to all agents, and listens for reports
 *     every agent             reports once a second until `reportedMs` after the last announcement it saw
 *
 * When viewers come to an agent that had none, its announcement asks all others for their history, which their next reports
 * then hold: they may have been reporting to other viewers, or to those that have just left.
 *
 * Reports and announcements are notifications, so nothing is written, and they cost the same for one viewer and for a
 * hundred. Without viewers there are none. A lost one costs a second of numbers.
 */
import { Changes } from "../concurrency/changes.ts";
import type { Database } from "../database/database.ts";
import { messageOf } from "../errors/caught.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";
import type { LiveCounts } from "./live-counts.ts";
import { decodeReport, encodeReport, type LiveReport } from "./live-report.ts";

export interface LiveExchangeOptions {
  readonly database: Database;
  readonly instance: string;
  readonly counts: LiveCounts;
  /** Every report, this agent's own included. */
  readonly onReport: (report: LiveReport) => void;
  /** Once a second while this agent has viewers. */
  readonly onSecond: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

const secondMs = 1_000;
const announceMs = 10_000;
const reportedMs = 25_000;

/** Takes the place of a table's name in announcements on the channel of changes. */
export const liveAnnouncement = "live";

/** Follows the instance in an announcement that asks for history. */
const historyMark = "/history";

export class LiveExchange {
  readonly #options: LiveExchangeOptions;
  readonly #changes = new Changes();
  #isWatchedHere = false;
  #isHistoryWantedHere = false;
  #isHistoryWantedElsewhere = false;
  /** On the monotonic clock. */
  #watchedElsewhereUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: LiveExchangeOptions) {
    this.#options = options;
  }

  /** Whether somebody looks at a page of this agent. */
  watch(isWatched: boolean): void {
    this.#isWatchedHere = isWatched;
    this.#isHistoryWantedHere = isWatched;
    this.#changes.note();
  }

  /** An agent announced itself. @param announced as it was sent; undefined: nothing is known */
  wake(announced: string | undefined): void {
    const instance = announced?.replace(historyMark, "");
    if (instance === undefined || instance === this.#options.instance) return;
    if (instance !== announced || !this.#isWatchedElsewhere()) this.#isHistoryWantedElsewhere = true;
    this.#watchedElsewhereUntilMs = this.#options.clock.monotonicMs() + reportedMs;
    this.#changes.note();
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#changes.note(), { once: true });
    while (!signal.aborted) {
      while (!this.#isWatched() && !signal.aborted) await this.#changes.next();
      if (!signal.aborted) await this.#report(signal);
    }
  }

  #isWatched(): boolean {
    return this.#isWatchedHere || this.#isWatchedElsewhere();
  }

  #isWatchedElsewhere(): boolean {
    return this.#watchedElsewhereUntilMs > this.#options.clock.monotonicMs();
  }

  async #report(signal: AbortSignal): Promise<void> {
    const { counts, clock, onReport, onSecond } = this.#options;
    counts.begin();
    let listening: AsyncDisposable | undefined;
    let announcedAtMs = Number.NEGATIVE_INFINITY;
    try {
      while (this.#isWatched() && !signal.aborted) {
        const isHere = this.#isWatchedHere;
        const isElsewhere = this.#isWatchedElsewhere();
        if (isHere) listening ??= await this.#listen();
        else if (listening !== undefined) {
          // Nobody would take the reports, and they would pile up for as long as somebody looks elsewhere.
          await listening[Symbol.asyncDispose]();
          listening = undefined;
        }
        const forHere = isHere && this.#isHistoryWantedHere;
        const forElsewhere = isElsewhere && this.#isHistoryWantedElsewhere;
        if (forHere) this.#isHistoryWantedHere = false;
        if (forElsewhere) this.#isHistoryWantedElsewhere = false;
        if (isHere && (forHere || clock.monotonicMs() - announcedAtMs >= announceMs)) {
          announcedAtMs = clock.monotonicMs();
          const announced = `${this.#options.instance}${forHere ? historyMark : ""}`;
          this.#notify("change", `${liveAnnouncement} ${announced}`);
        }
        const report = counts.take({ withHistory: forHere || forElsewhere });
        if (isHere) {
          onReport(report);
          onSecond();
        }
        if (isElsewhere) this.#notify("live", encodeReport(report));
        await clock.sleep(secondMs, signal);
      }
    } finally {
      counts.end();
      await listening?.[Symbol.asyncDispose]();
    }
  }

  #listen(): Promise<AsyncDisposable> {
    const { database, instance, onReport } = this.#options;
    return database.listen(`${database.schema}_live`, (payload) => {
      const report = payload === undefined ? undefined : decodeReport(payload);
      if (report !== undefined && report.instance !== instance) onReport(report);
    });
  }

  /** Not awaited: a slow database must not hold up the seconds. */
  #notify(channel: string, payload: string): void {
    const { database, logger } = this.#options;
    database.relaxed
      .query({
        name: "notify_live",
        text: "select pg_notify($1, $2)",
        values: [`${database.schema}_${channel}`, payload],
      })
      .catch((error: unknown) =>
        logger.debug({ error: messageOf(error) }, "could not tell other agents what this one does"),
      );
  }
}
