import { expect, test } from "vitest";
import { ProgramToken } from "../../../src/sensors/access/program-token.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { fakePlatform } from "../../support/fake-platform.ts";

const request = {
  sensorRef: "test.one",
  sensorId: "1",
  triggerRefs: ["test.happened"],
  term: { generation: "1", instance: "here" },
  ttlSeconds: 1_000,
};

/** A token that lives for 1,000 s and is replaced after 800. */
function programToken(mint?: () => Promise<never>) {
  const clock = fakeClock();
  const platform = fakePlatform(clock);
  const log: string[] = [];
  const token = new ProgramToken({
    platform: mint === undefined ? platform : { ...platform, tokens: { ...platform.tokens, mint } },
    request,
    clock,
    random: () => 0,
    log: (lines) => void log.push(...lines),
  });
  return { clock, platform, log, token, current: async () => (await token.current())?.token };
}

test("all starts share a token until it is due to be replaced; the end revokes what was minted", async () => {
  const { clock, platform, token, current } = programToken();

  expect([await current(), await current()]).toEqual(["token-1", "token-1"]);
  await clock.advance(799_000);
  expect(await current()).toBe("token-1");
  await clock.advance(2_000);
  expect(await current()).toBe("token-2");
  await token[Symbol.asyncDispose]();

  expect(platform.requests).toEqual([request, request]);
  expect(platform.revoked).toEqual(["jti-1", "jti-2"]);
});

test("a token that cannot be minted is logged once, and tried again after a growing delay", async () => {
  const { clock, platform, log, current } = programToken();
  platform.refuse("the database is away");

  for (let second = 0; second < 60; second += 1) {
    expect(await current()).toBeUndefined();
    await clock.advance(1_000);
  }
  expect(log).toEqual(["could not get an ATTUNE_API_TOKEN, going on without: the database is away"]);
  platform.refuse(undefined);

  // Tried after 5, 15 and 35 s, and due again after 75.
  expect(await current()).toBeUndefined();
  await clock.advance(16_000);
  expect(await current()).toBe("token-1");
});

test("a token that cannot be replaced is used until it expires", async () => {
  const { clock, platform, current } = programToken();
  await current();
  platform.refuse("the database is away");

  await clock.advance(990_000);
  expect(await current()).toBe("token-1");
  await clock.advance(11_000);

  expect(await current()).toBeUndefined();
});

test("a platform that does not answer delays only one start, and its late token is revoked", async () => {
  const late = Promise.withResolvers<never>();
  const { platform, token, current } = programToken(() => late.promise);

  expect([await current(), await current()]).toEqual([undefined, undefined]);
  const closed = token[Symbol.asyncDispose]();
  late.resolve({ token: "late", jti: "late", expiresAtMs: Number.MAX_SAFE_INTEGER } as never);
  await closed;

  expect(platform.revoked).toEqual(["late"]);
});

test.each([
  ["goes on using its token", 100_000, false, true],
  ["used it only while it started", 10_000, false, false],
  ["has refreshed it", 100_000, true, false],
])("a program that %s: outlived or not", async (_what, usedAfterMs, isRefreshed, isOutlived) => {
  const { clock, platform, token, current } = programToken();
  await current();
  const ended = new AbortController();
  let outlived: boolean | undefined;
  const waiting = token.isOutlived(ended.signal).then((is) => (outlived = is));

  await clock.advance(usedAfterMs);
  if (isRefreshed) await platform.tokens.mint(request);
  platform.use("test.one");
  await clock.advance(960_000 - usedAfterMs);
  expect(outlived).toBeUndefined();
  await clock.advance(20_000);
  await waiting;

  expect(outlived).toBe(isOutlived);
});
