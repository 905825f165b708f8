/**
 * Finds out who the bearer of a token is.
 *
 *     unknown ──signature, claims, rows──▶ known ──a change of the rows ends it──▶ refused
 *        └────────────────────────────────────────────────────────────────────────────▲
 *
 * Verifying a signature and reading the rows take far longer than most requests, so callers of known tokens come from
 * memory. Each time, the token's expiry is compared with this machine's clock. Revocations and changes of identities are
 * announced by notifications: from its arrival until the rows are read again, requests with known tokens wait. So a revoked
 * token is refused on every agent as soon as the notification arrives there. A notification can be lost with its
 * connection; the rows are then read again when the next connection is made, and every `intervalMs` in any case.
 *
 * Known tokens stay valid while the database is unreachable, so that events can wait for it. Each request then waits a
 * moment longer if a change was announced just before.
 *
 * What is known is bounded: the token used longest ago is forgotten.
 */
import { hash } from "node:crypto";
import { Changes } from "../concurrency/changes.ts";
import type { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Database } from "../database/database.ts";
import { SnapshotReads } from "../database/snapshot-reads.ts";
import { explainingDatabaseFailures } from "../database/explain-failure.ts";
import { rowsOf } from "../database/statement.ts";
import { readTokenFacts } from "../database/statements/identities.ts";
import type { Caller } from "../model/identity/caller.ts";
import { decodeClaims, type DecodedToken } from "../model/identity/claims.ts";
import { inQuestion, tokensThatHold } from "../model/identity/token-standing.ts";
import type { Logger } from "../telemetry/logger.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import type { Clock } from "../time/clock.ts";
import { TokenCodec, type Secrets } from "../tokens/token-codec.ts";

/** Below the limit for all headers of a request. */
const tokenLengthMax = 12 * 1_024;
const changeWaitMsMax = 1_000;

export interface AuthenticatorOptions {
  readonly database: Database;
  /** Of tokens that agents of this installation make. */
  readonly issuer: string;
  readonly readSecrets: () => Promise<Secrets>;
  readonly knownMax: number;
  /** How often to read the rows without a notification. */
  readonly intervalMs: number;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

interface KnownToken {
  readonly decoded: DecodedToken;
  /** The change up to which the rows have been read for it. */
  readAtChange: number;
  isRefused: boolean;
}

export async function openAuthenticator(options: AuthenticatorOptions): Promise<Authenticator> {
  return new Authenticator(options, await options.readSecrets());
}

export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #reads: SnapshotReads;
  readonly #loop: WakeableLoop;
  /** By the hash of the token, so that no valid token is in memory. */
  readonly #known = new Map<string, KnownToken>();
  readonly #hasRead = new Changes();
  #secrets: Secrets;
  #codec: TokenCodec;
  /** Counts announced changes. */
  #changes = 0;

  constructor(options: AuthenticatorOptions, secrets: Secrets) {
    this.#options = options;
    this.#secrets = secrets;
    this.#codec = new TokenCodec(secrets);
    const { database, intervalMs } = options;
    this.#reads = new SnapshotReads(database, { waitingMax: 256 });
    this.#loop = reportedLoop(
      {
        texts: {
          begins: "could not check whether tokens were revoked; known ones stay valid until that works again",
          ends: "tokens are checked for revocation again",
        },
        step: () => this.#step(),
        intervalMs,
        retry: { delayMsFirst: 50, delayMsMax: 500 },
      },
      options,
    );
  }

  /** The newest secret signs. */
  get codec(): TokenCodec {
    return this.#codec;
  }

  /** A hint that tokens were revoked, identities changed or keys were replaced. */
  wake(): void {
    this.#changes += 1;
    this.#loop.wake();
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }

  /** For access tokens. @throws OperatorError if the token is not known and the database cannot be read */
  async authenticate(token: string): Promise<Caller | undefined> {
    const decoded = await this.decode(token);
    return decoded?.use === "access" ? decoded.caller : undefined;
  }

  /** @returns undefined if the token is not valid, or not any more */
  async decode(token: string): Promise<DecodedToken | undefined> {
    if (token.length > tokenLengthMax) return undefined;
    const key = hash("sha256", token, "base64");
    const known = this.#known.get(key) ?? (await this.#verify(token, key));
    if (known === undefined) return undefined;
    if (known.decoded.caller.expiresAtMs <= this.#options.clock.nowMs()) {
      this.#known.delete(key);
      return undefined;
    }
    if (known.readAtChange < this.#changes) {
      await this.#waitForRead(known, key);
      if (known.isRefused) return undefined;
      if (this.#known.get(key) !== known) return this.decode(token);
    }
    // The map is in the order of last use.
    this.#known.delete(key);
    this.#known.set(key, known);
    return known.decoded;
  }

  async #verify(token: string, key: string): Promise<KnownToken | undefined> {
    const { issuer, clock, database, knownMax } = this.#options;
    const codec = this.#codec;
    const claims = await codec.verify(token, clock.nowMs());
    const decoded = claims && decodeClaims(claims, issuer);
    if (decoded === undefined) return undefined;
    const readAtChange = this.#changes;
    const holding = await explainingDatabaseFailures(
      `check a token in the database at ${database.address}`,
      () => this.#thoseThatHold([decoded]),
    );
    if (!holding.has(decoded)) return undefined;
    // The secrets were replaced meanwhile.
    if (codec !== this.#codec) return this.#verify(token, key);
    const known: KnownToken = { decoded, readAtChange, isRefused: false };
    this.#known.set(key, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > knownMax && oldest !== undefined) this.#known.delete(oldest);
    return known;
  }

  /**
   * Resolves when the rows have been read for the change that was announced last, the token is not known any more, or
   * `changeWaitMsMax` have passed. In an outage many requests wait one after the other, so none may leave anything behind.
   */
  async #waitForRead(known: KnownToken, key: string): Promise<void> {
    const { clock } = this.#options;
    const announced = this.#changes;
    const endMs = clock.monotonicMs() + changeWaitMsMax;
    // It may have come to be known only after a step under way had begun.
    this.#loop.wake();
    while (known.readAtChange < announced && this.#known.get(key) === known) {
      const leftMs = endMs - clock.monotonicMs();
      if (leftMs <= 0) return;
      await this.#hasRead.nextWithin(leftMs, clock);
    }
  }

  async #step(): Promise<void> {
    const changes = this.#changes;
    await this.#renewSecrets();
    const known = [...this.#known];
    const holding = await this.#thoseThatHold(known.map(([, { decoded }]) => decoded));
    for (const [key, token] of known) {
      token.readAtChange = changes;
      if (holding.has(token.decoded)) continue;
      token.isRefused = true;
      this.#known.delete(key);
    }
    this.#hasRead.note();
  }

  async #renewSecrets(): Promise<void> {
    const secrets = await this.#options.readSecrets();
    if (secrets.join() === this.#secrets.join()) return;
    this.#secrets = secrets;
    this.#codec = new TokenCodec(secrets);
    // Some were signed with a secret that is not valid any more.
    this.#known.clear();
  }

  async #thoseThatHold(tokens: readonly DecodedToken[]): Promise<ReadonlySet<DecodedToken>> {
    const asked = inQuestion(tokens);
    if (asked.jtis.length + asked.identityIds.length === 0) return new Set(tokens);
    const facts = await rowsOf(this.#reads, readTokenFacts, asked);
    return tokensThatHold(tokens, facts);
  }
}
