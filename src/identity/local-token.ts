/**
 * Keeps `agent.json` in the data directory up to date while the agent runs: its address, and an admin's token for the commands of the
 * same user on the same machine. The token is replaced long before it expires, and at once when it was revoked. All of them are
 * one family, which is revoked at the stop, and when its newest token was: somebody may still have an older one.
 *
 * Without the file only those commands are missing, so a data directory that cannot be written stops nothing.
 */
import { readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import { messageOf } from "../errors/caught.ts";
import { localAccessPath, type LocalAccess } from "../files/local-access.ts";
import { makeDirectory } from "../files/make-directory.ts";
import { writePrivateFile } from "../files/private-file.ts";
import { ownMark } from "../files/process-mark.ts";
import { backoffDelayMs } from "../model/sensors/backoff.ts";
import type { Logger } from "../telemetry/logger.ts";
import { OutageLog } from "../telemetry/outage-log.ts";
import type { Clock } from "../time/clock.ts";
import type { MintedToken, TokenMint } from "./token-mint.ts";

/** Identity of these tokens, shared by all agents. */
const login = "agent";
const lifetimeSeconds = 3_600;
const renewalMs = 1_200_000;

export interface LocalTokenOptions {
  readonly dataDirectory: string;
  /** Where the API answers. */
  readonly url: string;
  /** Path of its certificate; undefined for http. */
  readonly certificate: string | undefined;
  readonly mint: TokenMint;
  /** Rejects while the database cannot be asked. */
  readonly isValid: (token: string) => Promise<boolean>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

export class LocalToken {
  readonly #options: LocalTokenOptions;
  readonly #path: string;
  readonly #loop: WakeableLoop;
  #current: MintedToken | undefined;
  /** Id of the first token of the current one's family. */
  #family: string | undefined;

  constructor(options: LocalTokenOptions) {
    this.#options = options;
    this.#path = localAccessPath(options.dataDirectory);
    const { clock, random } = options;
    const outage = new OutageLog(
      {
        begins: `could not write ${this.#path}; commands on this machine need --api and a token until that works`,
        ends: `wrote ${this.#path} again`,
      },
      options,
    );
    this.#loop = new WakeableLoop({
      step: () => this.#renew(),
      intervalMs: renewalMs,
      retryDelayMs: (failures) =>
        backoffDelayMs(failures, { delayMsFirst: 1_000, delayMsMax: 60_000 }, random()),
      onFailure: (error) => outage.failed({ reason: messageOf(error) }),
      onRecovery: () => outage.recovered(),
      clock,
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }

  /** A hint that tokens were revoked or identities changed. */
  wake(): void {
    void this.#replaceRevoked();
  }

  /** Another agent with the same data directory may have replaced the file. */
  async remove(): Promise<void> {
    const current = this.#current;
    const text = await readFile(this.#path, "utf8").catch(() => "");
    if (current !== undefined && text.includes(current.token)) await rm(this.#path, { force: true });
    await this.#endFamily();
  }

  async #endFamily(): Promise<void> {
    if (this.#family === undefined) return;
    await this.#options.mint.revoke(this.#family, lifetimeSeconds);
    this.#family = undefined;
  }

  async #replaceRevoked(): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    const isValid = await this.#options.isValid(current.token).catch(() => true);
    if (!isValid && this.#current === current) this.#loop.wake();
  }

  async #renew(): Promise<void> {
    const { mint, isValid, url, certificate = null } = this.#options;
    if (this.#current !== undefined && !(await isValid(this.#current.token))) await this.#endFamily();
    const attributes = { purpose: "commands on an agent's own machine" };
    const identity = await mint.serviceIdentity({ login, role: "admin", attributes });
    const minted = await mint.mint({ use: "access", identity, family: this.#family, lifetimeSeconds });
    this.#family ??= minted.jti;
    const access: LocalAccess = {
      url,
      token: minted.token,
      certificate,
      expires_at: new Date(minted.expiresAtMs).toISOString(),
      process: ownMark(),
    };
    await makeDirectory(dirname(this.#path), 0o700);
    await writePrivateFile(this.#path, `${JSON.stringify(access)}\n`);
    this.#current = minted;
  }
}
