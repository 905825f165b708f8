/**
 * What it costs to find out who the bearer of a token is, once the token is known, against a verification of its signature in the
 * same process. `node test/bench/token-check.ts`
 */
import assert from "node:assert/strict";
import type { Database } from "../../src/database/database.ts";
import { openAuthenticator } from "../../src/identity/authenticator.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { TokenCodec, type Secrets } from "../../src/tokens/token-codec.ts";
import { signingSecret, tokenFor } from "../support/tokens.ts";

const checkMicrosecondsMax = 10;
const knownTokens = 1_000;
const secrets: Secrets = [signingSecret];

const authenticator = await openAuthenticator({
  // Tokens without an id and an issuer need no rows.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  database: { address: "none" } as Database,
  issuer: "attune:bench",
  readSecrets: async () => secrets,
  knownMax: 10_000,
  intervalMs: 60_000,
  logger: silentLogger,
  clock: systemClock,
  random: Math.random,
});
const codec = new TokenCodec(secrets);
const triggerRefs = ["bench.one", "bench.two"];
const tokens = await Promise.all(
  Array.from({ length: knownTokens }, (_, index) =>
    tokenFor("sensor", { sensorRef: `bench.sensor-${index}`, triggerRefs }),
  ),
);
for (const token of tokens) assert.equal((await authenticator.authenticate(token))?.role, "sensor");

const check = await microseconds(2_000, (token) => authenticator.authenticate(token));
const verification = await microseconds(2_000, (token) => codec.verify(token, Date.now()));

const rows: readonly (readonly [string, string])[] = [
  ["known tokens", `${knownTokens}`],
  ["check of a known token", `${check.toFixed(2)} µs (at most ${checkMicrosecondsMax} µs)`],
  ["verification of its signature", `${verification.toFixed(1)} µs`],
  ["ratio", (verification / check).toFixed(0)],
];
for (const [what, value] of rows) process.stdout.write(`${what.padEnd(34)}${value}\n`);
if (check > checkMicrosecondsMax) process.exitCode = 1;

async function microseconds(forMs: number, work: (token: string) => Promise<unknown>): Promise<number> {
  for (const token of tokens) await work(token);
  const startedAt = performance.now();
  let count = 0;
  while (performance.now() - startedAt < forMs) {
    for (const token of tokens.slice(0, 100)) await work(token);
    count += 100;
  }
  return ((performance.now() - startedAt) * 1_000) / count;
}
