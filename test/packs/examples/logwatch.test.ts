import { randomInt } from "node:crypto";
import { appendFile, rename, stat, truncate, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import type { JsonValue } from "../../../src/model/json/json.ts";
import { expectLines, follow, lastCheckpoint, linesOf, logFile } from "./logwatch.ts";

test("at the very first start the last lines are reported, then every new one with its level", async () => {
  const path = await logFile("1\n2\n3\n");
  await using sensor = follow(path, undefined, { initial_lines: 2 });
  await expectLines(sensor, ["2", "3"]);

  await appendFile(path, "disk ERROR now\n");

  await expectLines(sensor, ["2", "3", "disk ERROR now"]);
  expect(sensor.printed.at(-1)).toEqual({
    payload: { path, line: "disk ERROR now", level: "error" },
    checkpoint: {
      path,
      inode: (await stat(path)).ino,
      offset: 21,
      fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
      modified_us: expect.any(Number),
    },
  });
});

test("an unfinished line is reported once finished, and invalid UTF-8 does not matter", async () => {
  const path = await logFile("");
  await using sensor = follow(path);

  await appendFile(path, "one\ntw");
  await expectLines(sensor, ["one"]);
  await appendFile(path, Buffer.from([0x6f, 0xff, 0x0a]));

  await expectLines(sensor, ["one", "two\u{FFFD}"]);
});

test("a file that does not exist yet is reported from its first line", async () => {
  const path = await logFile();
  await using sensor = follow(path, undefined, { initial_lines: 0 });
  await expect.poll(sensor.stderr, { timeout: 10_000 }).toBe(`waiting for ${path}\n`);

  await writeFile(path, "first\n");

  await expectLines(sensor, ["first"]);
});

test("a rotated file is read to its end before the new one is begun", async () => {
  const path = await logFile("a\n");
  await using sensor = follow(path);
  await expectLines(sensor, ["a"]);

  await appendFile(path, "b\n");
  await rename(path, `${path}.1`);
  await writeFile(path, "c\n");

  await expectLines(sensor, ["a", "b", "c"]);
});

test("a rotation while the sensor was not running loses nothing", async () => {
  const path = await logFile("a\nb\n");
  const checkpoint = { inode: (await stat(path)).ino, offset: 2 };
  await rename(path, `${path}.1`);
  await writeFile(path, "c\n");

  await using sensor = follow(path, checkpoint);

  await expectLines(sensor, ["b", "c"]);
});

test("a truncated file is begun again", async () => {
  const path = await logFile("a long line\n");
  await using sensor = follow(path);
  await expectLines(sensor, ["a long line"]);

  await truncate(path);
  await appendFile(path, "b\n");

  await expectLines(sensor, ["a long line", "b"]);
});

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s ends it in peace, also while its file is missing",
  async (signal) => {
    const [path, missing] = [await logFile("a\n"), await logFile()];
    await using sensor = follow(path);
    await using waiting = follow(missing);
    await expectLines(sensor, ["a"]);
    await expect.poll(waiting.stderr, { timeout: 10_000 }).toContain("waiting");

    for (const program of [sensor, waiting]) program.kill(signal);

    expect([await sensor.ended, await waiting.ended]).toEqual([0, 0]);
    expect(sensor.stderr()).toBe("");
  },
);

// Goal: wherever it is killed, no line is lost or reported twice.
// Method: kill it at random points while lines are being written, and hand the last checkpoint that was
// read back to the next start, as the agent does with the last one it stored.
test("killed at any point, it resumes after its last stored event", async () => {
  const path = await logFile("");
  const written: string[] = [];
  const told: unknown[] = [];
  let checkpoint: JsonValue = { inode: (await stat(path)).ino, offset: 0 };

  for (let round = 0; round < 8; round += 1) {
    const sensor = follow(path, checkpoint);
    const wanted = randomInt(1, 40);
    const batch = Array.from({ length: 60 }, (_, index) => `round ${round} line ${index}`);
    written.push(...batch);
    await appendFile(path, `${batch.join("\n")}\n`);
    await expect.poll(() => linesOf(sensor).length, { timeout: 10_000 }).toBeGreaterThanOrEqual(wanted);
    await sensor[Symbol.asyncDispose]();
    told.push(...linesOf(sensor));
    checkpoint = lastCheckpoint(sensor) ?? checkpoint;
  }

  await using last = follow(path, checkpoint);
  await appendFile(path, "end\n");
  await expect.poll(() => linesOf(last).at(-1), { timeout: 10_000 }).toBe("end");
  expect([...told, ...linesOf(last)]).toEqual([...written, "end"]);
});
