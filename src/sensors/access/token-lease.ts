/**
 * The tokens of one run of a sensor's program, from the first one until the program has ended.
 *
 *     held ──replacedAtMs──▶ next one minted, in the state file ──lastLookAtMs──▶ program uses a newer one: held
 *                                     │                                     └──▶ it does not: stale
 *                                     └── cannot be minted: tried again, also beyond the expiry
 *
 * A stale program is restarted by the caller: its next request would be refused. Where nothing can be seen of a
 * program's requests, it counts as stale. Ending the lease revokes whatever it minted.
 */
import { messageOf } from "../../errors/caught.ts";
import { lastLookAtMs, replacedAtMs } from "../../model/sensors/token-schedule.ts";
import { settlesWithin } from "../../concurrency/settles-within.ts";
import type { Clock } from "../../time/clock.ts";
import { sleepUntilWallTime } from "../../time/sleep-until.ts";
import type { Platform, SensorToken, TokenRequest } from "../ports.ts";
import { TokenStateFile } from "./token-state-file.ts";

export interface TokenLeaseOptions {
  readonly platform: Pick<Platform, "tokens" | "traces">;
  readonly request: TokenRequest;
  /** For the state file. */
  readonly temporaryDir: string;
  readonly clock: Clock;
  /** Tells the operator. */
  readonly warn: (warning: string) => void;
}

const mintAgainMs = 5_000;
const revocationLimitMs = 2_000;

export class TokenLease implements AsyncDisposable {
  readonly #options: TokenLeaseOptions;
  readonly #file: TokenStateFile;
  readonly #minted: SensorToken[];
  #current: SensorToken;
  #mintedAtMs: number;

  private constructor(options: TokenLeaseOptions, file: TokenStateFile, token: SensorToken) {
    this.#options = options;
    this.#file = file;
    this.#minted = [token];
    this.#current = token;
    this.#mintedAtMs = options.clock.nowMs();
  }

  /** @throws if no token can be minted or its file cannot be written */
  static async begin(options: TokenLeaseOptions): Promise<TokenLease> {
    const { platform, request, temporaryDir } = options;
    const token = await platform.tokens.mint(request);
    try {
      return new TokenLease(options, await TokenStateFile.create(temporaryDir, token), token);
    } catch (error) {
      await platform.tokens.revoke(token.jti).catch(() => {});
      throw new Error(
        `the file for its token could not be written in ${temporaryDir}: ${messageOf(error)}; give the agent a writable TMPDIR`,
        { cause: error },
      );
    }
  }

  get current(): SensorToken {
    return this.#current;
  }

  get statePath(): string {
    return this.#file.path;
  }

  /** Resolves with true when the program is stale, with false when the signal aborts. */
  async keep(signal: AbortSignal): Promise<boolean> {
    const { platform, request, clock } = this.#options;
    for (;;) {
      const old = { mintedAtMs: this.#mintedAtMs, expiresAtMs: this.#current.expiresAtMs };
      await sleepUntilWallTime(replacedAtMs(old), clock, signal);
      await this.#replace(signal);
      await sleepUntilWallTime(lastLookAtMs(old), clock, signal);
      if (signal.aborted) return false;
      const newestMs = platform.traces?.newestExpiryMs(request.sensorRef) ?? 0;
      if (newestMs <= old.expiresAtMs) return true;
      this.#forgetExpired(clock.nowMs());
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { platform, clock } = this.#options;
    this.#forgetExpired(clock.nowMs());
    // What cannot be revoked in time expires, and the end of its assignment makes it useless before.
    const revoked = this.#minted.map(({ jti }) => platform.tokens.revoke(jti).catch(() => {}));
    await settlesWithin(Promise.all(revoked), revocationLimitMs);
    await this.#file[Symbol.asyncDispose]();
  }

  async #replace(signal: AbortSignal): Promise<void> {
    const { platform, request, clock, warn } = this.#options;
    let next: SensorToken | undefined;
    while (!signal.aborted) {
      try {
        if (next === undefined) this.#minted.push((next = await platform.tokens.mint(request)));
        await this.#file.write(next);
        this.#current = next;
        this.#mintedAtMs = clock.nowMs();
        return;
      } catch (error) {
        warn(`could not replace its token, trying again: ${messageOf(error)}`);
        await clock.sleep(mintAgainMs, signal);
      }
    }
  }

  #forgetExpired(nowMs: number): void {
    const live = this.#minted.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
    this.#minted.splice(0, this.#minted.length, ...live);
  }
}
