import { expect, test } from "vitest";
import { OutageLog } from "../../src/telemetry/outage-log.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { recordingLogger } from "../support/recording-logger.ts";

function fixture() {
  const { logger, lines } = recordingLogger();
  const clock = fakeClock();
  const texts = { begins: "it is down; trying again", ends: "it is up again" };
  return { log: new OutageLog(texts, { logger, clock }), lines, clock };
}

test("an outage of an hour with a failure every five seconds is two lines", async () => {
  const { log, lines, clock } = fixture();

  for (let failure = 0; failure < 720; failure += 1) {
    log.failed({ reason: "connection refused" });
    await clock.advance(5_000);
  }
  log.recovered();

  expect(lines).toEqual([
    { level: "warn", message: "it is down; trying again", fields: { reason: "connection refused" } },
    { level: "info", message: "it is up again", fields: { failures: 720, for_seconds: 3600 } },
  ]);
});

test("a reason that lasts is reported once in an outage, and one that passes is not", async () => {
  const { log, lines, clock } = fixture();
  const failFor = async (reason: string, seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) {
      log.failed({ reason }, reason);
      await clock.advance(1_000);
    }
  };

  await failFor("it was shut down", 1);
  await failFor("connection refused", 8);
  await failFor("login refused", 60);
  await failFor("it was shut down", 60);
  await failFor("login refused", 60);

  expect(lines.map(({ fields }) => fields)).toEqual([
    { reason: "it was shut down" },
    { reason: "login refused" },
  ]);
});

test("an outage whose reason never stays the same has an end of lines", async () => {
  const { log, lines, clock } = fixture();

  for (let reason = 0; reason < 1_000; reason += 1) {
    log.failed({}, String(reason));
    await clock.advance(20_000);
    log.failed({}, String(reason));
  }

  expect(lines).toHaveLength(5);
});

test("a service that never failed is not reported as recovered", () => {
  const { log, lines } = fixture();

  log.recovered();

  expect(lines).toEqual([]);
});

test("a short relapse costs no line", async () => {
  const { log, lines, clock } = fixture();
  log.failed({});
  log.recovered();
  await clock.advance(1_000);

  log.failed({});
  await clock.advance(4_000);
  log.failed({});
  log.recovered();

  expect(lines).toHaveLength(2);
});

test("a relapse that lasts is reported, with its whole duration", async () => {
  const { log, lines, clock } = fixture();
  log.failed({});
  log.recovered();
  await clock.advance(1_000);

  log.failed({ reason: "refused" });
  await clock.advance(5_000);
  log.failed({ reason: "refused again" });
  log.recovered();

  expect(lines.slice(2)).toMatchObject([
    { level: "warn", fields: { reason: "refused again" } },
    { level: "info", fields: { failures: 2, for_seconds: 5 } },
  ]);
});

test("an outage long after the last one is reported at once", async () => {
  const { log, lines, clock } = fixture();
  log.failed({});
  log.recovered();
  await clock.advance(60_000);

  log.failed({ reason: "refused" });

  expect(lines.at(-1)).toMatchObject({ level: "warn", fields: { reason: "refused" } });
});

test("a failure that the caller gets is not logged, but its end is", () => {
  const { log, lines } = fixture();

  log.failedAloud();
  log.failed({});
  log.recovered({ address: "db:5432" });

  expect(lines).toMatchObject([{ level: "info", fields: { address: "db:5432", failures: 2 } }]);
});
