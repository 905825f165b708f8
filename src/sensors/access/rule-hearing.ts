/**
 * Whether a running program hears of rule changes: by a connection to this agent, by its queue, or by reading its rules.
 *
 *     unknown ──connection or consumer──▶ listening ──none is left──▶ cut off ──deafAfterMs──▶ deaf
 *        │                                     ▲─────── another ────────┘
 *        └──its rules change, and within deafAfterMs it neither listens nor reads them──▶ uninformed
 *
 * A program that never listened is not deaf: it may read its rules now and then, or need no rules. But one that neither
 * listens nor reads can learn of a change only when it is restarted. Nothing is concluded from what cannot be seen:
 * while the broker cannot be asked, or where connections go to another address than this agent's.
 */
import { durationText } from "../../model/texts/duration-text.ts";
import type { Clock } from "../../time/clock.ts";
import type { Platform } from "../ports.ts";

export interface RuleHearingOptions {
  readonly sensorRef: string;
  readonly platform: Pick<Platform, "traces" | "queues">;
  readonly deafAfterMs: number;
  readonly clock: Clock;
}

export type Unheard = { readonly kind: "deaf"; readonly how: string } | { readonly kind: "uninformed" };

type Sight = "listening" | "not listening" | "unknown";

const lookMsMax = 5_000;

export class RuleHearing {
  readonly #options: RuleHearingOptions;
  #lastHeardMs: number | undefined;
  /** When its rules changed for the first time since it last had a way to hear of it. */
  #changedAtMs: number | undefined;
  #isCutOff = false;

  constructor(options: RuleHearingOptions) {
    this.#options = options;
  }

  /** Its rules have changed while it runs. */
  noteRulesChanged(): void {
    this.#changedAtMs ??= this.#options.clock.monotonicMs();
  }

  /** For how long a program that listened has had no way to hear of changes; undefined: it has one, or never listened. */
  deafSeconds(): number | undefined {
    if (!this.#isCutOff || this.#lastHeardMs === undefined) return undefined;
    return (this.#options.clock.monotonicMs() - this.#lastHeardMs) / 1_000;
  }

  /** Resolves when the program has to be restarted to learn of changes, or with undefined when the signal aborts. */
  async watch(signal: AbortSignal): Promise<Unheard | undefined> {
    const { clock, deafAfterMs } = this.#options;
    while (!signal.aborted) {
      const unheard = this.#judge(await this.#look());
      if (unheard !== undefined) return unheard;
      await clock.sleep(Math.min(lookMsMax, deafAfterMs / 4), signal);
    }
    return undefined;
  }

  #judge(sight: Sight): Unheard | undefined {
    const { clock, deafAfterMs } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#isCutOff = false;
    if (sight === "unknown") {
      // A time in which nothing could be seen is no time of silence.
      if (this.#lastHeardMs !== undefined) this.#lastHeardMs = nowMs;
      if (this.#changedAtMs !== undefined) this.#changedAtMs = nowMs;
      return undefined;
    }
    if (sight === "listening") {
      this.#lastHeardMs = nowMs;
      this.#changedAtMs = undefined;
      return undefined;
    }
    if (this.#lastHeardMs !== undefined) {
      this.#isCutOff = true;
      const goneMs = nowMs - this.#lastHeardMs;
      if (goneMs < deafAfterMs) return undefined;
      const gone = durationText(Math.round(goneMs / 1_000));
      return { kind: "deaf", how: `for ${gone} it has had neither a connection nor a consumer` };
    }
    if (this.#changedAtMs === undefined) return undefined;
    if (this.#hasReadSince(this.#changedAtMs)) this.#changedAtMs = undefined;
    else if (nowMs - this.#changedAtMs >= deafAfterMs) return { kind: "uninformed" };
    return undefined;
  }

  async #look(): Promise<Sight> {
    const { sensorRef, platform } = this.#options;
    const { traces, queues } = platform;
    const connections = traces?.connectionCount(sensorRef);
    const consumers = queues === null ? 0 : await queues.consumerCount(sensorRef);
    if ((connections ?? 0) > 0 || (consumers ?? 0) > 0) return "listening";
    return connections === undefined || consumers === undefined ? "unknown" : "not listening";
  }

  #hasReadSince(instantMs: number): boolean {
    const { sensorRef, platform } = this.#options;
    return (platform.traces?.rulesReadAtMs(sensorRef) ?? -Infinity) >= instantMs;
  }
}
