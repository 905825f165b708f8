/** Who may use the API: tokens, and what verifies them. */
import type { Platform } from "../api/resource-routes.ts";
import type { Database } from "../database/database.ts";
import { IdentityAdministration } from "../identity/identity-administration.ts";
import { openAuthenticator, type Authenticator } from "../identity/authenticator.ts";
import { LocalToken } from "../identity/local-token.ts";
import { Sessions } from "../identity/sessions.ts";
import { SensorTokens } from "../identity/sensor-tokens.ts";
import { configuredSecrets, storedSecrets } from "../identity/signing-secrets.ts";
import { TokenMint } from "../identity/token-mint.ts";
import { settlesWithin } from "../concurrency/settles-within.ts";
import { issuerOf } from "../model/identity/claims.ts";
import type { Connections } from "./connections.ts";
import type { ServiceContext } from "./service-context.ts";

/** A few megabytes at most. */
const knownTokensMax = 10_000;

export interface OpenedIdentity {
  readonly authenticator: Authenticator;
  readonly mint: TokenMint;
  readonly sensorTokens: SensorTokens;
  readonly sessions: Sessions;
}

export async function openIdentity(
  { options, lifetime, clock, random }: ServiceContext,
  { database, installationId }: Connections,
): Promise<OpenedIdentity> {
  const { config, logger } = options;
  const configured = configuredSecrets(config.security);
  const issuer = issuerOf(installationId);
  const authenticator = await openAuthenticator({
    database,
    issuer,
    readSecrets: async () => configured ?? (await storedSecrets(database)),
    knownMax: knownTokensMax,
    intervalMs: config.sensor.reconcile_interval * 1_000,
    logger,
    clock,
    random,
  });
  lifetime.run((signal) => authenticator.run(signal));
  const mint = new TokenMint({
    database,
    issuer,
    codec: () => authenticator.codec,
    onRevoked: () => authenticator.wake(),
    clock,
  });
  const decode = (token: string) => authenticator.decode(token);
  return {
    authenticator,
    mint,
    sensorTokens: new SensorTokens(mint),
    sessions: new Sessions({ database, mint, decode }),
  };
}

/** A worker stops even if its database does not answer. */
const removalLimitMs = 1_000;

/** For commands on this machine; see identity/local-token.ts. */
export function openLocalToken(
  { options, lifetime, clock, random }: ServiceContext,
  { mint, authenticator }: OpenedIdentity,
  url: string,
): LocalToken {
  const { config, logger } = options;
  const local = new LocalToken({
    dataDirectory: config.data_dir,
    url,
    certificate: config.api.tls.cert,
    mint,
    isValid: async (token) => (await authenticator.authenticate(token)) !== undefined,
    logger,
    clock,
    random,
  });
  lifetime.onClose(async () => void (await settlesWithin(local.remove(), removalLimitMs)));
  lifetime.run((signal) => local.run(signal));
  return local;
}

/** For longer than any token is valid. */
const revocationSeconds = 366 * 86_400;

/** Identity of sessions without a password. */
const developer = { login: "developer", role: "admin", attributes: {} } as const;

export function authPorts(
  database: Database,
  { authenticator, mint, sensorTokens, sessions }: OpenedIdentity,
  { isDevelopment = false }: { readonly isDevelopment?: boolean } = {},
): NonNullable<Platform["auth"]> {
  const local = {
    openLocalSession: async () => sessions.openFor(await mint.serviceIdentity(developer)),
  };
  return {
    ...(isDevelopment ? local : {}),
    identities: new IdentityAdministration(database, mint),
    sessions,
    sensorTokens,
    decode: (token) => authenticator.decode(token),
    revoke: (jti) => mint.revoke(jti, revocationSeconds),
  };
}
