import { expect, test } from "vitest";
import { outageLog } from "../../../src/messaging/rabbitmq/outage-log.ts";
import type { Clock } from "../../../src/time/clock.ts";
import { recordingLogger } from "../../support/recording-logger.ts";

function fixture() {
  let nowMs = 0;
  const { logger, lines } = recordingLogger();
  const clock: Clock = { nowMs: () => 0, monotonicMs: () => nowMs, sleep: async () => {} };
  const log = outageLog("connection to somewhere", logger, clock);
  const passMs = (ms: number): void => {
    nowMs += ms;
  };
  return { log, lines, passMs };
}

test("an outage of an hour with a failure every five seconds costs a dozen lines", () => {
  const { log, lines, passMs } = fixture();

  for (let failure = 0; failure < 720; failure += 1) {
    log.failed("connection refused");
    passMs(5_000);
  }
  log.recovered();

  expect(lines.length).toBeLessThanOrEqual(13);
  expect(lines[0]).toMatchObject({ level: "warn", fields: { reason: "connection refused", failures: 1 } });
  expect(lines.at(-1)).toEqual({
    level: "info",
    message: "the connection to somewhere is up again",
    fields: { failures: 720, for_seconds: 3600 },
  });
});

test("the first failure is told at once, the next ones at growing intervals", () => {
  const { log, lines, passMs } = fixture();

  for (let second = 0; second <= 70; second += 1) {
    log.failed("refused");
    passMs(1_000);
  }

  expect(lines.map(({ fields }) => fields)).toMatchObject([
    { for_seconds: 0 },
    { for_seconds: 10 },
    { for_seconds: 30 },
    { for_seconds: 70 },
  ]);
});

test("a connection that never failed is not reported as recovered", () => {
  const { log, lines } = fixture();

  log.recovered();

  expect(lines).toEqual([]);
});

test("the outage after a recovery is told from its beginning", () => {
  const { log, lines, passMs } = fixture();
  log.failed("refused");
  log.recovered();
  passMs(1_000);

  log.failed("refused again");

  expect(lines.at(-1)).toMatchObject({
    level: "warn",
    fields: { reason: "refused again", failures: 1, for_seconds: 0 },
  });
});
