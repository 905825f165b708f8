import { expect, test } from "vitest";
import type { Query } from "../../src/database/database.ts";
import { UnplacedSensors } from "../../src/scheduling/unplaced-sensors.ts";
import { recordingLogger } from "../support/recording-logger.ts";

function start() {
  const { logger, lines } = recordingLogger();
  const noted: unknown[] = [];
  const answer = { isChanging: true, isFailing: false };
  const query = async ({ values = [] }: Query): Promise<{ rows: object[] }> => {
    if (answer.isFailing) throw new Error("no answer");
    noted.push(values[0]);
    return { rows: answer.isChanging ? [{}] : [] };
  };
  const sensors = new UnplacedSensors({ database: { query }, logger });
  const report = (reasons: Readonly<Record<string, string>>): void =>
    sensors.report(
      new Map(
        Object.entries(reasons).map(([id, reason]) => [id, { ref: `demo.${id}`, obstacles: [reason] }]),
      ),
    );
  return { sensors, report, noted, answer, lines };
}

test("a note is repeated until the database has it, and again when others may have changed it", async () => {
  const { sensors, report, noted, answer } = start();
  report({ 7: "no worker is alive" });
  await sensors.note();
  await sensors.note();
  answer.isChanging = false;
  await sensors.note();
  await sensors.note();
  expect(noted).toEqual([["7"], ["7"], ["7"]]);

  sensors.forgetNote();
  await sensors.note();
  await sensors.note();
  expect(noted).toHaveLength(4);
});

test("a note that fails is repeated, and stops nothing", async () => {
  const { sensors, report, noted, answer } = start();
  answer.isChanging = false;
  answer.isFailing = true;
  report({ 7: "no worker is alive" });
  await sensors.note();
  answer.isFailing = false;

  await sensors.note();

  expect(noted).toEqual([["7"]]);
});

test("a thousand sensors are noted at most, and all are counted", async () => {
  const { sensors, report, noted } = start();
  report(Object.fromEntries(Array.from({ length: 1_001 }, (_, id) => [id + 1, "all workers are full"])));

  await sensors.note();

  expect(sensors.count).toBe(1_001);
  expect(noted[0]).toHaveLength(1_000);
});

test("a sensor is logged again only when its reason changes, or after it ran", () => {
  const { report, lines } = start();
  const rounds = ["full", "full", "away", undefined, "away"] as const;

  const counts = rounds.map((reason) => {
    report(reason === undefined ? {} : { 7: reason });
    return lines.length;
  });

  expect(counts).toEqual([1, 1, 2, 2, 3]);
  expect(lines[0]?.message).toBe("sensor demo.7 is not running: full");
});
