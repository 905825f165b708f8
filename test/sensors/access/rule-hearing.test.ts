import { expect, test } from "vitest";
import { RuleHearing, type Unheard } from "../../../src/sensors/access/rule-hearing.ts";
import type { Platform } from "../../../src/sensors/ports.ts";
import { fakeClock } from "../../support/fake-clock.ts";

interface World {
  connections: number | undefined;
  consumers: number | undefined;
  rulesReadAtMs: number | undefined;
}

/** A program whose connections a test opens and closes; it is looked at every five seconds. */
function watched(world: Partial<World>, withQueues = true) {
  const now: World = { connections: 0, consumers: 0, rulesReadAtMs: undefined, ...world };
  const clock = fakeClock();
  const platform: Pick<Platform, "traces" | "queues"> = {
    traces: {
      newestExpiryMs: () => undefined,
      usedAtMs: () => undefined,
      rulesReadAtMs: () => now.rulesReadAtMs,
      connectionCount: () => now.connections,
    },
    queues: withQueues
      ? {
          variables: async () => ({}),
          prepare: async () => {},
          remove: async () => {},
          consumerCount: async () => now.consumers,
        }
      : null,
  };
  const hearing = new RuleHearing({ sensorRef: "test.one", platform, deafAfterMs: 30_000, clock });
  const ended = new AbortController();
  let verdict: Unheard | undefined;
  const watching = hearing.watch(ended.signal).then((unheard) => (verdict = unheard));
  return {
    now,
    clock,
    hearing,
    verdict: () => verdict,
    async [Symbol.asyncDispose]() {
      ended.abort();
      await watching;
    },
  };
}

test.each(["connections", "consumers"] as const)(
  "a program whose %s are gone for longer than the limit is deaf",
  async (way) => {
    await using program = watched({ [way]: 1 });
    await program.clock.advance(10_000);
    expect(program.hearing.deafSeconds()).toBeUndefined();

    program.now[way] = 0;
    await program.clock.advance(25_000);
    expect(program.hearing.deafSeconds()).toBeGreaterThan(15);
    expect(program.verdict()).toBeUndefined();
    await program.clock.advance(10_000);

    expect(program.verdict()).toMatchObject({ kind: "deaf" });
  },
);

test("a program that connects again in time is not deaf", async () => {
  await using program = watched({ connections: 1 });
  for (let round = 0; round < 10; round += 1) {
    await program.clock.advance(10_000);
    program.now.connections = 0;
    await program.clock.advance(20_000);
    program.now.connections = 1;
  }
  await program.clock.advance(10_000);

  expect(program.verdict()).toBeUndefined();
  expect(program.hearing.deafSeconds()).toBeUndefined();
});

test("a program that never listened is left alone until its rules change and it does not read them", async () => {
  await using program = watched({});
  await program.clock.advance(3_600_000);
  expect(program.verdict()).toBeUndefined();

  program.hearing.noteRulesChanged();
  await program.clock.advance(10_000);
  program.now.rulesReadAtMs = program.clock.monotonicMs();
  await program.clock.advance(3_600_000);
  expect(program.verdict()).toBeUndefined();

  program.hearing.noteRulesChanged();
  await program.clock.advance(35_000);
  expect(program.verdict()).toEqual({ kind: "uninformed" });
});

test("a program that listens is told of its rules", async () => {
  await using program = watched({ connections: 1 }, false);
  await program.clock.advance(10_000);

  program.hearing.noteRulesChanged();
  await program.clock.advance(3_600_000);

  expect(program.verdict()).toBeUndefined();
});

test.each([{ connections: undefined }, { consumers: undefined }])(
  "nothing is concluded from what cannot be seen: %j",
  async (unseen) => {
    await using program = watched({ connections: 1, consumers: 1 });
    await program.clock.advance(10_000);

    Object.assign(program.now, { connections: 0, consumers: 0 }, unseen);
    program.hearing.noteRulesChanged();
    await program.clock.advance(3_600_000);
    expect(program.verdict()).toBeUndefined();

    Object.assign(program.now, { connections: 0, consumers: 0 });
    await program.clock.advance(20_000);
    expect(program.verdict()).toBeUndefined();
    await program.clock.advance(20_000);
    expect(program.verdict()).toMatchObject({ kind: "deaf" });
  },
);
