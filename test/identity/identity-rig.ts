/** An authenticator and a mint as an agent has them, on a database that tests share. */
import { openAuthenticator, type Authenticator } from "../../src/identity/authenticator.ts";
import { Sessions } from "../../src/identity/sessions.ts";
import { SensorTokens } from "../../src/identity/sensor-tokens.ts";
import { storedSecrets } from "../../src/identity/signing-secrets.ts";
import { TokenMint } from "../../src/identity/token-mint.ts";
import type { Database } from "../../src/database/database.ts";
import { rowOf } from "../../src/database/statement.ts";
import { readInstallation } from "../../src/database/statements/installation.ts";
import { issuerOf } from "../../src/model/identity/claims.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock, type Clock } from "../../src/time/clock.ts";
import type { Secrets } from "../../src/tokens/token-codec.ts";

export interface IdentityRig extends AsyncDisposable {
  readonly issuer: string;
  readonly authenticator: Authenticator;
  readonly mint: TokenMint;
  readonly sensorTokens: SensorTokens;
  readonly sessions: Sessions;
}

export interface RigOptions {
  readonly secrets?: () => Promise<Secrets>;
  readonly clock?: Clock;
  readonly knownMax?: number;
  /** False: notifications are lost. */
  readonly isNotified?: boolean;
  /** How often the rows are read without a notification. */
  readonly intervalMs?: number;
}

export async function openIdentityRig(database: Database, options: RigOptions = {}): Promise<IdentityRig> {
  const { secrets, clock = systemClock, knownMax = 100, isNotified = true, intervalMs = 60_000 } = options;
  const installation = await rowOf(database, readInstallation, undefined);
  const issuer = issuerOf(installation?.id ?? "");
  const authenticator = await openAuthenticator({
    database,
    issuer,
    readSecrets: secrets ?? (() => storedSecrets(database)),
    knownMax,
    intervalMs,
    logger: silentLogger,
    clock,
    random: Math.random,
  });
  const ending = new AbortController();
  const run = authenticator.run(ending.signal);
  const listening = isNotified
    ? await database.listen("attune_change", (table) => {
        if (table === undefined || ["identity", "revoked_token", "signing_key"].includes(table))
          authenticator.wake();
      })
    : undefined;
  // Of another agent, as far as the authenticator is concerned: it hears of revocations by notifications alone.
  const mint = new TokenMint({
    database,
    issuer,
    codec: () => authenticator.codec,
    onRevoked: () => {},
    clock,
  });
  return {
    issuer,
    authenticator,
    mint,
    sensorTokens: new SensorTokens(mint),
    sessions: new Sessions({ database, mint, decode: (token) => authenticator.decode(token) }),
    async [Symbol.asyncDispose]() {
      await listening?.[Symbol.asyncDispose]();
      ending.abort();
      await run;
    },
  };
}
