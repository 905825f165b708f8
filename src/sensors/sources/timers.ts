/**
 * The built-in source `timers`: fires the timers of all rules on its triggers. It reads the rules, and again when they change;
 * timers/timer-run.ts decides and fires.
 */
import { messageOf } from "../../errors/caught.ts";
import { backoffDelayMs } from "../../model/sensors/backoff.ts";
import type { EndedRun } from "../../model/sensors/restart-policy.ts";
import { lookMs, TimerRun, type TimerRunOptions } from "../timers/timer-run.ts";
import type { Source, SourceContext } from "./source.ts";

/** Rules are read that often without a hint. */
const rereadMs = 300_000;
const retry = { delayMsFirst: 250, delayMsMax: 10_000 };

export class TimerSource implements Source {
  readonly #options: TimerRunOptions;
  #isRuleChangeKnown = true;
  /** Ends a sleep. Renewed only once it is aborted: fast timers sleep up to a thousand times a second. */
  #wake = new AbortController();

  constructor(options: TimerRunOptions) {
    this.#options = options;
  }

  nextRunMs(earliestMs: number): number {
    return earliestMs;
  }

  noteRulesChanged(): void {
    this.#isRuleChangeKnown = false;
    this.#wake.abort("changed");
  }

  deafSeconds(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    // Each run ends all that it began.
  }

  async run(context: SourceContext): Promise<EndedRun> {
    const { clock, stopping } = context;
    const beganMs = clock.monotonicMs();
    // Only workers with timers load what evaluates their schedules.
    const { decodeTimer } = await import("../../model/schedules/timer-plan.ts");
    const run = new TimerRun(this.#options, context, decodeTimer);
    const writing = new AbortController();
    const written = run.progress.run(writing.signal);
    const wake = (): void => this.#wake.abort("stopping");
    stopping.addEventListener("abort", wake, { once: true });
    try {
      await this.#work(run, context);
    } finally {
      stopping.removeEventListener("abort", wake);
      writing.abort();
      await written;
    }
    await run.finish();
    const uptimeMs = clock.monotonicMs() - beganMs;
    const reason = stopping.aborted ? "it was stopped" : "another worker runs the timers";
    return { exit: { kind: "unstarted", reason }, uptimeMs, hadSuccess: false };
  }

  async #work(run: TimerRun, { clock, stopping, noteRunning, noteObstacle }: SourceContext): Promise<void> {
    for (let failures = 1; !stopping.aborted; failures += 1) {
      try {
        this.#isRuleChangeKnown = true;
        await run.begin();
        break;
      } catch (error) {
        const waitMs = Math.round(backoffDelayMs(failures, retry, this.#options.random()));
        noteObstacle(`its rules cannot be read: ${messageOf(error)}`, waitMs);
        await clock.sleep(waitMs, stopping);
      }
    }
    if (stopping.aborted) return;
    noteRunning({});
    let readMs = clock.monotonicMs();
    while (!stopping.aborted && !run.isFenced) {
      if (!this.#isRuleChangeKnown || clock.monotonicMs() - readMs > rereadMs) {
        readMs = clock.monotonicMs();
        this.#isRuleChangeKnown = true;
        // If it fails, the timers go on as they are, and it is tried again soon.
        if (!(await run.reread())) readMs -= rereadMs - lookMs;
      }
      await run.fireDue();
      if (!this.#isRuleChangeKnown) continue;
      if (this.#wake.signal.aborted && !stopping.aborted) this.#wake = new AbortController();
      await run.sleep(this.#wake.signal);
    }
    // The supervisor stops it soon.
    while (!stopping.aborted) await clock.sleep(lookMs, stopping);
  }
}
