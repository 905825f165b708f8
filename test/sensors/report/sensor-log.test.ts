import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { SensorLog, type SensorLogOptions } from "../../../src/sensors/report/sensor-log.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { fakeClock } from "../../support/fake-clock.ts";

function logIn(options: Partial<SensorLogOptions> = {}) {
  const logsDir = mkdtempSync(join(tmpdir(), "attune-log-"));
  onTestFinished(() => rmSync(logsDir, { recursive: true, force: true }));
  let lost = 0;
  const log = new SensorLog({
    logsDir,
    sensorRef: "garden.thermometer",
    bytesMax: 1_000,
    filesMax: 2,
    memory: undefined,
    echo: undefined,
    clock: fakeClock(),
    logger: silentLogger,
    onLost: (lines) => (lost += lines),
    onWritten: () => {},
    ...options,
  });
  return { log, logsDir, lost: () => lost };
}

test("lines are written with their time, in order", async () => {
  const { log, logsDir } = logIn();

  log.write(["one"]);
  log.write(["two", "three"]);
  await log.flushed();

  const time = "2026-01-01T00:00:00.000Z";
  expect(readFileSync(join(logsDir, "garden.thermometer.log"), "utf8")).toBe(
    `${time} one\n${time} two\n${time} three\n`,
  );
});

test("what a remark quotes does not look like another line, and a program's output stays as it is", async () => {
  const { log, logsDir } = logIn();

  log.write(["could not look into a\n2026-01-01T00:00:00.000Z accepted\u001b[2J"]);
  log.writeOutput([
    "\u001b[31mred\u001b[0m",
    "could not get a token: refused\n2026-01-01T00:00:00.000Z accepted",
  ]);
  await log.flushed();

  const time = "2026-01-01T00:00:00.000Z";
  expect(readFileSync(join(logsDir, "garden.thermometer.log"), "utf8")).toBe(
    [
      String.raw`${time} could not look into a ${time} accepted\u001b[2J`,
      `${time} \u001b[31mred\u001b[0m`,
      `${time} could not get a token: refused ${time} accepted`,
      "",
    ].join("\n"),
  );
});

test("logs are rotated by size, and only so many are kept", async () => {
  const { log, logsDir } = logIn();

  for (let number = 0; number < 100; number += 1) {
    log.write([`line ${number} ${"x".repeat(100)}`]);
    await log.flushed();
  }

  expect(readdirSync(logsDir).toSorted()).toEqual([
    "garden.thermometer.log",
    "garden.thermometer.log.1",
    "garden.thermometer.log.2",
  ]);
  for (const name of readdirSync(logsDir))
    expect(statSync(join(logsDir, name)).size).toBeLessThanOrEqual(1_000);
  expect(readFileSync(join(logsDir, "garden.thermometer.log"), "utf8")).toContain("line 99 ");
});

test("lines lost to a full disk are counted, and the log reports them once it is writable again", async () => {
  const { log, logsDir, lost } = logIn();
  const file = join(logsDir, "garden.thermometer.log");
  symlinkSync("/dev/full", file);
  log.write(["one", "two"]);
  await log.flushed();
  expect(lost()).toBe(2);

  unlinkSync(file);
  log.write(["three"]);
  await log.flushed();

  expect(readFileSync(file, "utf8")).toMatch(/^\(2 lines are missing here\)\n.* three\n$/);
});

test("a log that is written faster than the disk takes it loses lines rather than memory", () => {
  const { log, lost } = logIn();
  const line = "x".repeat(100_000);

  for (let number = 0; number < 100; number += 1) log.write([line]);

  expect(lost()).toBeGreaterThan(70);
});

test("a ref cannot name a file elsewhere", async () => {
  const { log, logsDir } = logIn({ sensorRef: "../../etc/cron.d/x" });

  log.write(["one"]);
  await log.flushed();

  expect(readdirSync(logsDir)).toEqual(["__.._etc_cron.d_x.log"]);
});
