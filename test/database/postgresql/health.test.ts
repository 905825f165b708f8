import { expect, test } from "vitest";
import { ConnectionError } from "../../../src/database/errors.ts";
import { ObservedHealth } from "../../../src/database/postgresql/health.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { recordingLogger } from "../../support/recording-logger.ts";

const failure = new ConnectionError("no connection: too many clients", "nothing-done");

test("a server that fails intermittently for minutes causes at most two log lines a minute", async () => {
  const clock = fakeClock();
  const { logger, lines } = recordingLogger();
  const health = new ObservedHealth("db:5432/attune", logger, clock, true, () => undefined);
  health.observe(undefined);

  for (let steps = 0; steps < 6_000; steps += 1) {
    health.observe(steps % 2 === 0 ? failure : undefined);
    expect(health.current().state).toBe(steps % 2 === 0 ? "down" : "up");
    await clock.advance(100);
  }

  // Ten minutes.
  expect(lines.length).toBeLessThanOrEqual(22);
  expect(lines.length % 2).toBe(0);
});

test("a lasting relapse is logged, with its end", async () => {
  const clock = fakeClock();
  const { logger, lines } = recordingLogger();
  const health = new ObservedHealth("db:5432/attune", logger, clock, true, () => undefined);
  health.observe(undefined);
  for (const lastsMs of [1_000, 20_000]) {
    for (let passedMs = 0; passedMs < lastsMs; passedMs += 500) {
      health.observe(failure);
      await clock.advance(500);
    }
    health.observe(undefined);
  }

  const begun = "the database does not answer; trying again";
  const ended = "the database answers again";
  expect(lines.map(({ message }) => message)).toEqual([begun, ended, begun, ended]);
});

test("the beginning of an outage says what to do", () => {
  const { logger, lines } = recordingLogger();
  const health = new ObservedHealth("db:5432/attune", logger, fakeClock(), true, () => undefined);

  const refusal = Object.assign(new Error('database "attune" is not currently accepting connections'), {
    code: "55000",
  });
  health.observe(new ConnectionError("no connection", "nothing-done", refusal));

  expect(lines).toMatchObject([
    {
      level: "warn",
      fields: {
        address: "db:5432/attune",
        reason: 'database "attune" is not currently accepting connections (SQLSTATE 55000)',
        remedy: "allow connections to the database: alter database … allow_connections true",
      },
    },
  ]);
});
