/**
 * The token of a sensor whose output the agent reads. Its program may use the API, for example to read keys, but does not
 * need it: so nothing here fails, and a program is started without a token rather than late.
 *
 *     none ──a program is about to start──▶ minting ──▶ held ──replacedAtMs, and another start──▶ minting
 *       ▲                                      │
 *       └── cannot be minted: the next start after a growing delay tries again ◀──┘
 *
 * All programs of one source share it, so that a poll sensor costs about one token a day and not one for each run. Closing revokes
 * every minted token. A program that outlives its token can refresh it. One that keeps using its first token must be
 * restarted; see `isOutlived`.
 */
import { settlesWithin } from "../../concurrency/settles-within.ts";
import { messageOf } from "../../errors/caught.ts";
import { backoffDelayMs } from "../../model/sensors/backoff.ts";
import { lastLookAtMs, replacedAtMs } from "../../model/sensors/token-schedule.ts";
import type { Clock } from "../../time/clock.ts";
import { sleepUntilWallTime } from "../../time/sleep-until.ts";
import type { Platform, SensorToken, TokenRequest } from "../ports.ts";

export interface ProgramTokenOptions {
  readonly platform: Pick<Platform, "tokens" | "traces">;
  readonly request: TokenRequest;
  readonly clock: Clock;
  readonly random: () => number;
  /** Writes to the sensor's own log. */
  readonly log: (lines: readonly string[]) => void;
}

interface HeldToken extends SensorToken {
  readonly mintedAtMs: number;
}

/** How long a start waits for a token. */
const mintWaitMsMax = 2_000;
const revocationLimitMs = 2_000;
const retry = { delayMsFirst: 5_000, delayMsMax: 300_000 };
/** A program that uses its token only while it starts does not miss it later. */
const startMs = 60_000;

export class ProgramToken implements AsyncDisposable {
  readonly #options: ProgramTokenOptions;
  readonly #minted: HeldToken[] = [];
  #minting: Promise<void> | undefined;
  #failures = 0;
  /** On the monotonic clock. */
  #retryAtMs = -Infinity;
  #isClosed = false;

  constructor(options: ProgramTokenOptions) {
    this.#options = options;
  }

  /** For a program that is about to start; undefined: there is none now. Never rejects. */
  async current(): Promise<SensorToken | undefined> {
    const { clock } = this.#options;
    if (this.#isDue() && this.#minting === undefined && clock.monotonicMs() >= this.#retryAtMs) {
      this.#minting = this.#mint();
      await settlesWithin(this.#minting, mintWaitMsMax);
    }
    const newest = this.#minted.at(-1);
    return newest !== undefined && newest.expiresAtMs > clock.nowMs() ? newest : undefined;
  }

  /**
   * Of a program that has just started: resolves with true when it still uses its token and is about to lose it, with false
   * when the signal aborts. Without traces nobody can tell, and the program goes on.
   */
  async isOutlived(signal: AbortSignal): Promise<boolean> {
    const { platform, request, clock } = this.#options;
    const { traces } = platform;
    const held = this.#minted.at(-1);
    if (held === undefined || traces === null) return false;
    const startedAtMs = clock.monotonicMs();
    await sleepUntilWallTime(lastLookAtMs(held), clock, signal);
    if (signal.aborted) return false;
    const isRefreshed = (traces.newestExpiryMs(request.sensorRef) ?? 0) > held.expiresAtMs;
    const usedAtMs = traces.usedAtMs(request.sensorRef) ?? -Infinity;
    return !isRefreshed && usedAtMs > startedAtMs + startMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const nowMs = this.#options.clock.nowMs();
    const live = this.#minted.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
    // What cannot be revoked in time expires, and the end of its assignment makes it useless before.
    await settlesWithin(
      Promise.all([this.#minting, ...live.map((token) => this.#revoke(token))]),
      revocationLimitMs,
    );
  }

  #isDue(): boolean {
    const newest = this.#minted.at(-1);
    return newest === undefined || replacedAtMs(newest) <= this.#options.clock.nowMs();
  }

  async #mint(): Promise<void> {
    const { platform, request, clock, random, log } = this.#options;
    try {
      const token = { ...(await platform.tokens.mint(request)), mintedAtMs: clock.nowMs() };
      if (this.#isClosed) return await this.#revoke(token);
      this.#forgetExpired();
      this.#minted.push(token);
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      this.#retryAtMs = clock.monotonicMs() + backoffDelayMs(this.#failures, retry, random());
      if (this.#failures === 1)
        log([`could not get an ATTUNE_API_TOKEN, going on without: ${messageOf(error)}`]);
    } finally {
      this.#minting = undefined;
    }
  }

  async #revoke({ jti }: SensorToken): Promise<void> {
    await this.#options.platform.tokens.revoke(jti).catch(() => {});
  }

  #forgetExpired(): void {
    const nowMs = this.#options.clock.nowMs();
    const live = this.#minted.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
    this.#minted.splice(0, this.#minted.length, ...live);
  }
}
