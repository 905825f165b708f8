/** Tokens against a real PostgreSQL: who is let in, and what ends it. */
import { expect, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { ConnectionError } from "../../src/database/errors.ts";
import { systemClock, type Clock } from "../../src/time/clock.ts";
import { heapUsed } from "../support/heap-used.ts";
import { insertSensor, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { signingSecret, tokenFor } from "../support/tokens.ts";
import { openIdentityRig } from "./identity-rig.ts";

const grant = { sensorRef: "p.one", triggerRefs: ["t.one", "t.two"], term: null };
const noticed = { timeout: 20_000, interval: 5 };

test("a sensor's token names the sensor, its triggers and the assignment", async () => {
  await using fresh = await freshDatabase();
  await insertTrigger(fresh.database, "t.one");
  const sensorId = await insertSensor(fresh.database, { ref: "p.one", triggerRef: "t.one" });
  await using rig = await openIdentityRig(fresh.database);
  const term = { instance: "00000000-0000-4000-8000-000000000001", generation: "9007199254740993" };

  const { token, jti, expiresAtMs, identityId } = await rig.sensorTokens.mint({ ...grant, term });

  const [, claims = ""] = token.split(".");
  expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject({
    sub: identityId,
    jti,
    login: "sensor:p.one",
    token_type: "sensor",
    scope: "sensor",
    exp: expiresAtMs / 1_000,
    metadata: { trigger_types: ["t.one", "t.two"], sensor_id: sensorId, ...term },
  });
  expect(expiresAtMs - Date.now()).toBeGreaterThan(86_390_000);
  expect(expiresAtMs - Date.now()).toBeLessThanOrEqual(86_400_000);
  expect(await rig.authenticator.authenticate(token)).toEqual({
    identityId,
    login: "sensor:p.one",
    role: "sensor",
    jti,
    expiresAtMs,
    grant: { ...grant, term },
  });
});

test("a sensor has one identity, whichever agents make tokens for it and however often", async () => {
  await using fresh = await freshDatabase();
  await using one = await openIdentityRig(fresh.database);
  await using other = await openIdentityRig(fresh.database);

  const minted = await Promise.all(
    Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? one : other).sensorTokens.mint(grant)),
  );

  expect(new Set(minted.map(({ identityId }) => identityId)).size).toBe(1);
  expect(new Set(minted.map(({ jti }) => jti)).size).toBe(20);
  expect(await query(fresh.database, "select login, role, attributes from identity")).toEqual([
    {
      login: "sensor:p.one",
      role: "sensor",
      attributes: { sensor_ref: "p.one", trigger_types: ["t.one", "t.two"] },
    },
  ]);
});

// Goal: no agent is left without the key of another. Method: ten start at once on a database without one.
test("agents that start together on a new database share one key", async () => {
  await using fresh = await freshDatabase();
  const rigs = await Promise.all(Array.from({ length: 10 }, () => openIdentityRig(fresh.database)));
  await using scope = new AsyncDisposableStack();
  for (const rig of rigs) scope.use(rig);

  for (const { sensorTokens } of rigs) {
    const { token } = await sensorTokens.mint(grant);
    for (const { authenticator } of rigs) expect(await authenticator.authenticate(token)).toBeDefined();
  }

  expect(await query(fresh.database, "select length(secret) from signing_key")).toEqual([{ length: 64 }]);
});

test.each([
  { what: "revoked", sql: "insert into revoked_token (jti, expires_at) values ($1, now())", by: "jti" },
  { what: "of a removed identity", sql: "delete from identity where id = $1", by: "identityId" },
  {
    what: "of an identity with another role",
    sql: "update identity set role = 'viewer' where id = $1",
    by: "identityId",
  },
  {
    what: "of an identity with another password",
    sql: "update identity set password_hash = 'changed' where id = $1",
    by: "identityId",
  },
] as const)("a token that is $what is refused by every agent within a second", async ({ sql, by }) => {
  await using fresh = await freshDatabase();
  await using one = await openIdentityRig(fresh.database);
  await using other = await openIdentityRig(fresh.database);
  const minted = await one.sensorTokens.mint(grant);
  const spared = await one.sensorTokens.mint({ ...grant, sensorRef: "p.spared" });
  for (const { authenticator } of [one, other]) {
    expect(await authenticator.authenticate(minted.token)).toBeDefined();
    expect(await authenticator.authenticate(spared.token)).toBeDefined();
  }

  await query(fresh.database, sql, [minted[by]]);

  for (const { authenticator } of [one, other]) {
    await expect.poll(() => authenticator.authenticate(minted.token), noticed).toBeUndefined();
    expect(await authenticator.authenticate(spared.token)).toBeDefined();
  }
});

test("an identity that got its role back does not get its tokens back", async () => {
  await using fresh = await freshDatabase();
  await using rig = await openIdentityRig(fresh.database);
  const { token } = await rig.sensorTokens.mint(grant);

  await query(fresh.database, "update identity set role = 'viewer'");
  await query(fresh.database, "update identity set role = 'sensor'");

  expect(await rig.authenticator.authenticate(token)).toBeUndefined();
});

test("a revocation ends the tokens that the revoked one was renewed by", async () => {
  await using fresh = await freshDatabase();
  await using rig = await openIdentityRig(fresh.database);
  const first = await rig.sensorTokens.mint(grant);
  const second = await rig.sensorTokens.mint({ ...grant, family: first.jti });
  expect(await rig.authenticator.authenticate(second.token)).toBeDefined();

  await rig.sensorTokens.revoke(first.jti);

  await expect.poll(() => rig.authenticator.authenticate(second.token), noticed).toBeUndefined();
});

// Goal: a token that came to be known while a change was announced is checked for it too.
test("a token that is verified while a revocation is committed is refused", async () => {
  await using fresh = await freshDatabase();
  await using rig = await openIdentityRig(fresh.database);

  for (let round = 0; round < 20; round += 1) {
    const { token, jti } = await rig.sensorTokens.mint(grant);
    await Promise.all([rig.authenticator.authenticate(token), rig.sensorTokens.revoke(jti)]);
    await expect.poll(() => rig.authenticator.authenticate(token), noticed).toBeUndefined();
  }
});

test("from the arrival of the notification on, no request with the token gets through", async () => {
  await using fresh = await freshDatabase();
  await using rig = await openIdentityRig(fresh.database, { isNotified: false });
  const { token, jti } = await rig.sensorTokens.mint(grant);
  expect(await rig.authenticator.authenticate(token)).toBeDefined();
  await rig.sensorTokens.revoke(jti);

  rig.authenticator.wake();

  const callers = await Promise.all(Array.from({ length: 20 }, () => rig.authenticator.authenticate(token)));
  expect(callers.filter((caller) => caller !== undefined)).toEqual([]);
});

test("a revocation whose notification is lost is found at the next look", async () => {
  await using fresh = await freshDatabase();
  await using rig = await openIdentityRig(fresh.database, { isNotified: false, intervalMs: 50 });
  const { token, jti } = await rig.sensorTokens.mint(grant);
  expect(await rig.authenticator.authenticate(token)).toBeDefined();

  await rig.sensorTokens.revoke(jti);

  await expect.poll(() => rig.authenticator.authenticate(token), { timeout: 10_000 }).toBeUndefined();
});

test("a key that is added signs, and the one before stays valid until it is removed", async () => {
  await using fresh = await freshDatabase();
  await using rig = await openIdentityRig(fresh.database);
  const before = await rig.sensorTokens.mint(grant);
  const { codec } = rig.authenticator;

  await query(fresh.database, "insert into signing_key (secret) values (repeat('new secret ', 4))");
  await expect.poll(() => rig.authenticator.codec, noticed).not.toBe(codec);
  expect(await rig.authenticator.authenticate(before.token)).toBeDefined();

  await query(fresh.database, "delete from signing_key where id = (select min(id) from signing_key)");
  await expect.poll(() => rig.authenticator.authenticate(before.token), noticed).toBeUndefined();
  const after = await rig.sensorTokens.mint(grant);
  expect(await rig.authenticator.authenticate(after.token)).toBeDefined();
});

test("a token of another installation is refused, also with the same secret", async () => {
  await using here = await freshDatabase();
  await using there = await freshDatabase();
  const secrets = async () => [signingSecret] as const;
  await using rig = await openIdentityRig(here.database, { secrets });
  await using other = await openIdentityRig(there.database, { secrets });
  const { token } = await other.sensorTokens.mint(grant);

  expect(await other.authenticator.authenticate(token)).toBeDefined();
  expect(await rig.authenticator.authenticate(token)).toBeUndefined();
});

// Goal: a clock that jumps lets nobody in longer than the clock says, and no revoked token at all.
test.each([3_600_000, 86_400_000])("known tokens follow a clock that jumps by %d ms", async (jumpMs) => {
  await using fresh = await freshDatabase();
  let offsetMs = 0;
  const clock = { ...systemClock, nowMs: () => Date.now() + offsetMs };
  await using rig = await openIdentityRig(fresh.database, { clock });
  const { token } = await rig.sensorTokens.mint({ ...grant, ttlSeconds: 1_800 });
  const revoked = await rig.sensorTokens.mint({ ...grant, ttlSeconds: 1_800 });
  expect(await rig.authenticator.authenticate(token)).toBeDefined();
  await rig.sensorTokens.revoke(revoked.jti);

  offsetMs = jumpMs;
  expect(await rig.authenticator.authenticate(token)).toBeUndefined();
  const later = await rig.sensorTokens.mint({ ...grant, ttlSeconds: 1_800 });
  expect(await rig.authenticator.authenticate(later.token)).toBeDefined();

  offsetMs = -jumpMs;
  for (const each of [token, later.token]) expect(await rig.authenticator.authenticate(each)).toBeDefined();
  await expect.poll(() => rig.authenticator.authenticate(revoked.token), noticed).toBeUndefined();
});

// Goal: sensors' events can wait for the database. Method: every statement fails from some moment on.
test("known tokens stay valid while the database is unreachable, and unknown ones are 503", async () => {
  await using fresh = await freshDatabase();
  let isGone = false;
  const database = failingWhile(() => isGone, fresh.database);
  await using rig = await openIdentityRig(database);
  const known = await rig.sensorTokens.mint(grant);
  const unknown = await rig.sensorTokens.mint(grant);
  await rig.authenticator.authenticate(known.token);

  isGone = true;
  rig.authenticator.wake();

  expect(await rig.authenticator.authenticate(known.token)).toBeDefined();
  await expect(rig.authenticator.authenticate(unknown.token)).rejects.toMatchObject({
    code: "DATABASE_UNREACHABLE",
  });
  await query(fresh.database, "delete from identity");
  isGone = false;
  await expect.poll(() => rig.authenticator.authenticate(known.token), { timeout: 10_000 }).toBeUndefined();
});

// Goal: an outage of hours costs no memory, however many requests come meanwhile.
// Method: a change is announced and its rows cannot be read, on a clock that runs fifty times as fast.
test("requests that waited in vain for a change to be read leave nothing in memory", async () => {
  await using fresh = await freshDatabase();
  let isGone = false;
  const database = failingWhile(() => isGone, fresh.database);
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() * 50,
    sleep: (ms, signal) => systemClock.sleep(ms / 50, signal),
  };
  await using rig = await openIdentityRig(database, { clock });
  const { token } = await rig.sensorTokens.mint(grant);
  await rig.authenticator.authenticate(token);
  isGone = true;
  rig.authenticator.wake();
  const rounds = 4;
  const atOnce = 5_000;
  const before = heapUsed();

  for (let round = 0; round < rounds; round += 1) {
    const callers = await Promise.all(
      Array.from({ length: atOnce }, () => rig.authenticator.authenticate(token)),
    );
    expect(callers.filter((caller) => caller === undefined)).toEqual([]);
  }

  expect((heapUsed() - before) / (rounds * atOnce)).toBeLessThan(200);
});

test("what is known is bounded, and what was forgotten is verified again", async () => {
  await using fresh = await freshDatabase();
  await using rig = await openIdentityRig(fresh.database, { knownMax: 3 });
  const minted = await Promise.all(Array.from({ length: 10 }, () => rig.sensorTokens.mint(grant)));

  for (let round = 0; round < 2; round += 1)
    for (const { token } of minted) expect(await rig.authenticator.authenticate(token)).toBeDefined();
});

test("a token of another program with the same secret is accepted, and can be revoked", async () => {
  await using fresh = await freshDatabase();
  await using rig = await openIdentityRig(fresh.database, { secrets: async () => [signingSecret] });
  const token = await tokenFor("sensor", { sensorRef: "p.other", triggerRefs: ["t.one"] }, { jti: "theirs" });

  expect(await rig.authenticator.authenticate(token)).toMatchObject({
    login: "sensor:p.other",
    role: "sensor",
    grant: { sensorRef: "p.other", triggerRefs: ["t.one"], term: null },
  });

  await rig.sensorTokens.revoke("theirs");
  await expect.poll(() => rig.authenticator.authenticate(token), noticed).toBeUndefined();
});

/** Its statements fail while that holds. */
function failingWhile(isGone: () => boolean, database: Database): Database {
  return {
    ...database,
    address: database.address,
    health: () => database.health(),
    listen: (channel, onHint) => database.listen(channel, onHint),
    async query(asked) {
      if (isGone()) throw new ConnectionError("it is gone", "nothing-done");
      return database.query(asked);
    },
    transaction: (work) => database.transaction(work),
  };
}
