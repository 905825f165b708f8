import { mkdtempDisposable, readFile, stat } from "node:fs/promises";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { TokenLease } from "../../../src/sensors/access/token-lease.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { fakePlatform } from "../../support/fake-platform.ts";

const request = {
  sensorRef: "test.one",
  sensorId: "1",
  triggerRefs: ["test.happened"],
  term: { generation: "1", instance: "here" },
  ttlSeconds: 100,
};

/** A lease whose token lives for 100 s: replaced after 40, looked at after 70. */
async function leased(options: { traced?: boolean } = {}) {
  const folder = await mkdtempDisposable(join(tmpdir(), "attune-lease-"));
  const clock = fakeClock();
  const platform = fakePlatform(clock);
  const warnings: string[] = [];
  const lease = await TokenLease.begin({
    platform: options.traced === false ? { ...platform, traces: null } : platform,
    request,
    temporaryDir: folder.path,
    clock,
    warn: (warning) => void warnings.push(warning),
  });
  const ended = new AbortController();
  let isStale: boolean | undefined;
  const keeping = lease.keep(ended.signal).then((stale) => (isStale = stale));
  return {
    clock,
    platform,
    warnings,
    lease,
    isStale: () => isStale,
    state: async () => JSON.parse(await readFile(lease.statePath, "utf8")) as Record<string, unknown>,
    async [Symbol.asyncDispose]() {
      ended.abort();
      await keeping;
      await lease[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test("the state file has the token and its expiry, for the agent's user alone", async () => {
  await using one = await leased();

  expect(await one.state()).toEqual({ token: "token-1", expires_at: "2026-01-01T00:01:40.000Z" });
  expect((await stat(one.lease.statePath)).mode & 0o777).toBe(0o600);
  expect((await stat(dirname(one.lease.statePath))).mode & 0o777).toBe(0o700);
});

test("a token is replaced a minute before it expires, for as long as its program uses the newest", async () => {
  await using one = await leased();

  for (let elapsedMs = 0; elapsedMs < 200_000; elapsedMs += 10_000) {
    await one.clock.advance(10_000);
    // Files are written in real time; afterwards the lease sleeps again.
    await expect.poll(() => one.clock.sleeperCount()).toBe(1);
    await expect.poll(one.state).toMatchObject({ token: `token-${one.platform.requests.length}` });
    one.platform.use("test.one");
  }

  expect(one.isStale()).toBeUndefined();
  expect(one.platform.requests).toHaveLength(6);
});

test("a program that does not use the next token is stale before the old one expires", async () => {
  await using one = await leased();
  one.platform.use("test.one");

  await one.clock.advance(40_000);
  await expect.poll(one.state).toMatchObject({ token: "token-2" });
  expect(one.isStale()).toBeUndefined();
  await one.clock.advance(31_000);

  await expect.poll(one.isStale).toBe(true);
});

test("a program whose requests nobody sees counts as stale", async () => {
  await using one = await leased({ traced: false });

  await one.clock.advance(40_000);
  await expect.poll(one.state).toMatchObject({ token: "token-2" });
  await one.clock.advance(31_000);

  await expect.poll(one.isStale).toBe(true);
});

test("a token that cannot be replaced is tried again, and the operator is told why", async () => {
  await using one = await leased();
  one.platform.refuse("the database is away");

  await one.clock.advance(52_000);
  expect(one.warnings).toContain("could not replace its token, trying again: the database is away");
  one.platform.refuse(undefined);
  await one.clock.advance(10_000);

  await expect.poll(one.state).toMatchObject({ token: "token-2" });
});

test("the end of the lease revokes what is still valid and removes the file", async () => {
  const one = await leased();
  await one.clock.advance(40_000);
  await expect.poll(one.state).toMatchObject({ token: "token-2" });

  await one[Symbol.asyncDispose]();

  expect(one.platform.revoked).toEqual(["jti-1", "jti-2"]);
  expect(existsSync(one.lease.statePath)).toBe(false);
});

test("a token whose file cannot be written leaves no folder behind", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "attune-lease-"));
  const clock = fakeClock();
  const platform = fakePlatform(clock);
  // Room in a path, which has at most 4,095 characters, for the token's folder, but not for its file.
  let temporaryDir = folder.path;
  while (temporaryDir.length < 4_070) {
    const length = Math.min(200, Math.max(4_069 - temporaryDir.length, 1));
    temporaryDir = join(temporaryDir, "d".repeat(length));
  }
  mkdirSync(temporaryDir, { recursive: true });

  const beginning = TokenLease.begin({ platform, request, temporaryDir, clock, warn: () => {} });

  await expect(beginning).rejects.toThrow(/could not be written .*ENAMETOOLONG/);
  expect(readdirSync(temporaryDir)).toEqual([]);
  expect(platform.revoked).toEqual(["jti-1"]);
});
