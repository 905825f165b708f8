import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LocalToken } from "../../src/identity/local-token.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock, type Clock } from "../../src/time/clock.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { openIdentityRig, type IdentityRig } from "./identity-rig.ts";

const openLocalToken = (rig: IdentityRig, dataDirectory: string, clock: Clock): LocalToken =>
  new LocalToken({
    dataDirectory,
    url: "http://127.0.0.1:8080",
    certificate: undefined,
    mint: rig.mint,
    isValid: async (token) => (await rig.authenticator.authenticate(token)) !== undefined,
    logger: silentLogger,
    clock,
    random: () => 0,
  });

async function tokenIn(dataDirectory: string): Promise<string> {
  const text = await readFile(join(dataDirectory, "agent.json"), "utf8").catch(() => "{}");
  return (JSON.parse(text) as { token?: string }).token ?? "";
}

test("at the stop every token that was in the file ends, not only the newest", async () => {
  await using fresh = await freshDatabase();
  await using rig = await openIdentityRig(fresh.database);
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-local-"));
  const clock = fakeClock();
  const local = openLocalToken(rig, directory.path, clock);
  const ending = new AbortController();
  const run = local.run(ending.signal);
  const tokens: string[] = [];
  for (let renewals = 0; renewals < 3; renewals += 1) {
    await expect.poll(() => tokenIn(directory.path)).not.toBe(tokens.at(-1) ?? "");
    tokens.push(await tokenIn(directory.path));
    await expect.poll(() => clock.sleeperCount()).toBe(1);
    await clock.advance(1_200_000);
  }
  ending.abort();
  await run;

  await local.remove();

  expect(new Set(tokens).size).toBe(3);
  for (const token of tokens) await expect.poll(() => rig.authenticator.authenticate(token)).toBeUndefined();
});

test.each([
  ["was revoked", "insert into revoked_token (jti, expires_at) values ($1, now() + interval '1 day')"],
  ["lost its identity", "delete from identity where login = 'agent' and $1 <> ''"],
])("a token that %s is replaced at once", async (_what, statement) => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await using rig = await openIdentityRig(database);
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-local-"));
  const local = openLocalToken(rig, directory.path, systemClock);
  await using listening = await database.listen("attune_change", () => {
    // In this order, as an agent does.
    rig.authenticator.wake();
    local.wake();
  });
  const ending = new AbortController();
  const run = local.run(ending.signal);
  const token = (): Promise<string> => tokenIn(directory.path);
  await expect.poll(token).not.toBe("");
  const first = await token();
  const claims = JSON.parse(Buffer.from(first.split(".")[1] ?? "", "base64url").toString()) as {
    jti: string;
  };

  await query(database, statement, [claims.jti]);

  await expect.poll(token).not.toBe(first);
  expect(await rig.authenticator.authenticate(await token())).toMatchObject({
    login: "agent",
    role: "admin",
  });
  ending.abort();
  await run;
  await listening[Symbol.asyncDispose]();
});
