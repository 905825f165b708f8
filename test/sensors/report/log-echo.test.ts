/** What sensors write to stderr, in the agent's own log. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LogEcho } from "../../../src/sensors/report/log-echo.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { recordingLogger } from "../../support/recording-logger.ts";
import { sensorBench } from "../sensor-bench.ts";

const numbered = (count: number): string[] => Array.from({ length: count }, (_, number) => `line ${number}`);

test("a line has the sensor's ref, and is marked as the sensor's own", () => {
  const { logger, lines } = recordingLogger();

  new LogEcho(fakeClock()).ofSensor(logger.child({ sensor_ref: "a.b" })).write(["out of ink"]);

  expect(lines).toEqual([
    { level: "info", message: "out of ink", fields: { sensor_ref: "a.b", from: "sensor" } },
  ]);
});

test("a sensor that logs too much is limited for a while, and the log counts the dropped lines", async () => {
  const clock = fakeClock();
  const { logger, lines } = recordingLogger();
  const sensor = new LogEcho(clock).ofSensor(logger);

  sensor.write(numbered(50_000));
  expect(lines).toHaveLength(100);
  await clock.advance(10_000);
  sensor.write(["later"]);

  expect(lines.slice(100)).toEqual([
    {
      level: "info",
      message: "49900 lines of this sensor were left out here: too many in 10 s",
      fields: { lines: 49_900 },
    },
    { level: "info", message: "later", fields: { from: "sensor" } },
  ]);
});

test("long lines are cut, and count by their length", () => {
  const { logger, lines } = recordingLogger();

  new LogEcho(fakeClock()).ofSensor(logger).write(Array.from({ length: 50 }, () => "x".repeat(100_000)));

  expect(lines.map(({ message }) => message.length)).toEqual(Array.from({ length: 15 }, () => 4_097));
});

test("a thousand chatty sensors together write no more than a thousand lines in 10 s", () => {
  const { logger, lines } = recordingLogger();
  const echo = new LogEcho(fakeClock());

  for (let sensor = 0; sensor < 1_000; sensor += 1) echo.ofSensor(logger).write(numbered(50));

  expect(lines).toHaveLength(1_000);
});

test.each([
  ["stderr", false],
  ["both", true],
] as const)("with %s a sensor's stderr is in the agent's log, what is missing too", async (_, files) => {
  await using bench = await sensorBench({ logTo: { files, echo: new LogEcho(systemClock) } });
  const script = 'i=0; while [ $i -lt 3000 ]; do echo "line $i" >&2; i=$((i+1)); done';
  await bench.add("test.chatty", { script: `${script}; echo '{"n": 1}'; exec sleep 60` });
  bench.manager.start();
  await expect.poll(bench.payloads, { timeout: 20_000 }).toEqual([{ n: 1 }]);

  await bench.manager.stop();

  const said = bench.lines.map(({ message }) => message);
  expect(said).toContain("line 99");
  expect(said).toContainEqual(expect.stringMatching(/^\d+ lines of this sensor were left out here/));
  expect(said.filter((message) => message.startsWith("line ")).length).toBeLessThan(1_000);
  expect((await bench.log("test.chatty")).includes("line 2999")).toBe(files);
  expect(existsSync(join(bench.folder, "logs"))).toBe(files);
});
