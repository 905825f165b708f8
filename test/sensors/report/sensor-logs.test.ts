/** Reading a sensor's log while it is written, rotated and lost. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { logEntry, missingLinesNote, type WorkerLogPage } from "../../../src/model/sensors/log-page.ts";
import { SensorLogs, type SensorLogsOptions } from "../../../src/sensors/report/sensor-logs.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { systemClock, type Clock } from "../../../src/time/clock.ts";

const never = new AbortController().signal;
const ref = "garden.thermometer";

/** Real, but never the same millisecond twice: lines of one millisecond cannot be distinguished by their time. */
function distinctClock(): Clock {
  let lastMs = 0;
  return { ...systemClock, nowMs: () => (lastMs = Math.max(lastMs + 1, systemClock.nowMs())) };
}

function logsIn(options: Partial<SensorLogsOptions> = {}) {
  const logsDir = mkdtempSync(join(tmpdir(), "attune-logs-"));
  onTestFinished(() => rmSync(logsDir, { recursive: true, force: true }));
  const all = {
    workerName: "here",
    logsDir,
    bytesMax: 1_000,
    filesMax: 3,
    hasFiles: true,
    echo: undefined,
    clock: distinctClock(),
    onLost: () => {},
    ...options,
  };
  const logs = new SensorLogs(all);
  const log = logs.ofSensor(ref, silentLogger);
  return {
    logs,
    log,
    logsDir: all.logsDir,
    file: join(all.logsDir, `${ref}.log`),
    write: async (...lines: string[]): Promise<void> => {
      log.write(lines);
      await log.flushed();
    },
    tail: (lines: number) => logs.read(ref, { kind: "tail", lines }, never),
    after: (page: WorkerLogPage, waitMs = 0, signal = never) =>
      logs.read(ref, { kind: "after", position: page.position, workerName: page.workerName, waitMs }, signal),
  };
}

const texts = ({ lines }: WorkerLogPage): string[] => lines.map((line) => logEntry(line).text);
const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}`);

test.each([
  { kept: "in files", hasFiles: true },
  { kept: "in memory", hasFiles: false },
])("the last lines of a log $kept are read, and then what follows, once each", async ({ hasFiles }) => {
  const { write, tail, after } = logsIn({ hasFiles });
  expect(texts(await tail(10))).toEqual([]);
  await write(...numbers(1, 5));

  const first = await tail(2);
  expect(texts(first)).toEqual(["line 4", "line 5"]);
  expect(texts(await tail(0))).toEqual([]);
  expect(texts(await after(first))).toEqual([]);

  await write("line 6");
  const second = await after(first);
  await write("line 7", "line 8");

  expect(texts(second)).toEqual(["line 6"]);
  expect(texts(await after(second))).toEqual(["line 7", "line 8"]);
});

// Goal: a log that begins with what a program wrote by mistake can be read on from another worker.
// The database that carries the position holds no text with NUL.
test("no position holds what the database cannot", async () => {
  const { write, tail, after } = logsIn();
  await write("\0binary\0");

  const first = await tail(1);
  await write("line 2");

  expect(JSON.stringify(first.position)).not.toContain("\\u0000");
  expect(texts(await after(first))).toEqual(["line 2"]);
});

test("what is written while a reader waits ends its wait, and so does leaving", async () => {
  const { write, tail, after, log } = logsIn();
  await write("line 1");
  const first = await tail(1);

  const waiting = after(first, 60_000);
  log.write(["line 2"]);
  expect(texts(await waiting)).toEqual(["line 2"]);

  const leaving = new AbortController();
  const left = after(await tail(0), 60_000, leaving.signal);
  leaving.abort();
  expect(texts(await left)).toEqual([]);
});

test("no line is lost or doubled over rotation, however it falls between two reads", async () => {
  const { write, tail, after } = logsIn();
  await write("line 0");
  let page = await tail(0);
  const read: string[] = [];
  let written = 0;
  for (const count of [1, 7, 20, 3, 33, 12, 1, 28]) {
    for (const line of numbers(written + 1, written + count)) await write(line);
    written += count;
    page = await after(page);
    read.push(...texts(page));
  }

  expect(read).toEqual(numbers(1, written));
});

test("a tail goes back over rotated files, and lines that are gone are marked as missing", async () => {
  const { write, tail, after } = logsIn();
  await write("line 0");
  const early = await tail(1);
  for (const line of numbers(1, 200)) await write(line);

  const all = texts(await tail(1_000));
  const late = texts(await after(early));

  expect(all.length).toBeGreaterThan(60);
  expect(all).toEqual(numbers(201 - all.length, 200));
  expect(late).toEqual([missingLinesNote, ...all]);
});

test("a reader that comes from another worker goes on by the time of its last line", async () => {
  const clock = distinctClock();
  const there = logsIn({ clock, workerName: "there" });
  const here = logsIn({ clock });
  await here.write("here, long ago");
  await there.write("there");
  const page = await there.tail(1);
  await here.write("here, now");

  const next = await here.after(page);

  expect(texts(next)).toEqual(["here, now"]);
  expect(next.workerName).toBe("here");
  await here.write("here, later");
  expect(texts(await here.after(next))).toEqual(["here, later"]);
});

test("a page is bounded, and pages one after the other are the whole log", async () => {
  const { tail, after, file } = logsIn({ bytesMax: 10_000_000 });
  const line = (number: number): string => `2026-01-01T00:00:00.000Z ${number} ${"é".repeat(1_000)}\n`;
  writeFileSync(file, line(0));
  let page = await tail(1);
  appendFileSync(file, Array.from({ length: 1_000 }, (_, index) => line(index + 1)).join(""));

  const read: number[] = [];
  do {
    page = await after(page);
    expect(Buffer.byteLength(page.lines.join("\n"))).toBeLessThanOrEqual(256 * 1024);
    read.push(...texts(page).map((text) => Number(text.split(" ")[0])));
  } while (page.lines.length > 0);

  expect(read).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1));
  expect((await tail(5_000)).lines.length).toBeLessThan(200);
});

test("a line that is not finished is not read, and one that never ends is read in pieces", async () => {
  const { tail, after, file } = logsIn({ bytesMax: 10_000_000 });
  writeFileSync(file, "2026-01-01T00:00:00.000Z one\n2026-01-01T00:00:00.000Z tw");
  const first = await tail(10);
  expect(texts(first)).toEqual(["one"]);

  appendFileSync(file, "o\n");
  const second = await after(first);
  expect(texts(second)).toEqual(["two"]);

  appendFileSync(file, "x".repeat(600_000));
  const third = await after(second);
  const fourth = await after(third);
  appendFileSync(file, "\n");
  const fifth = await after(fourth);
  expect([third, fourth, fifth].map(({ lines }) => lines.map((line) => line.length))).toEqual([
    [256 * 1024],
    [256 * 1024],
    [600_000 - 512 * 1024],
  ]);
});

test("a ref that names a place elsewhere reads nothing there", async () => {
  const { logs, logsDir } = logsIn();
  mkdirSync(join(logsDir, "other"));
  writeFileSync(join(logsDir, "secret.log"), "2026-01-01T00:00:00.000Z secret\n");

  for (const odd of ["other/../secret", "../secret", "..", "\0", "/etc/passwd"]) {
    expect((await logs.read(odd, { kind: "tail", lines: 10 }, never)).lines).toEqual([]);
  }
});

test("a log in memory keeps its last lines only, and says when it has dropped what follows", async () => {
  const { write, tail, after } = logsIn({ hasFiles: false });
  await write("line 0");
  const early = await tail(1);
  for (const line of numbers(1, 100)) await write(`${line} ${"x".repeat(1_000)}`);

  const kept = await tail(1_000);

  expect(kept.lines.length).toBeGreaterThan(50);
  expect(kept.lines.length).toBeLessThan(70);
  expect(texts(await after(early))).toEqual([missingLinesNote, ...texts(kept)]);
});
