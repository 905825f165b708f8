/**
 * Keeps `agent.json` in the data directory up to date while the agent runs: its address, and an admin's token for the commands of the
 * same user on the same machine. The token is replaced long before it expires, at once when it was revoked, and revoked at
 * the stop.
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
    if (current === undefined) return;
    const text = await readFile(this.#path, "utf8").catch(() => "");
    if (text.includes(current.token)) await rm(this.#path, { force: true });
    await this.#options.mint.revoke(current.jti, lifetimeSeconds);
  }

  async #replaceRevoked(): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    const isValid = await this.#options.isValid(current.token).catch(() => true);
    if (!isValid && this.#current === current) this.#loop.wake();
  }

  async #renew(): Promise<void> {
    const { mint, url, certificate = null } = this.#options;
    const attributes = { purpose: "commands on an agent's own machine" };
    const identity = await mint.serviceIdentity({ login, role: "admin", attributes });
    const minted = await mint.mint({ use: "access", identity, lifetimeSeconds });
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
