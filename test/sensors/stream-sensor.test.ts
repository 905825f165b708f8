import { expect, test } from "vitest";
import { isRunning } from "../../scripts/services/is-running.ts";
import { sensorBench } from "./sensor-bench.ts";

test("each line of a sensor is an event with its source, and the row shows its process", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.one", {
    script: `echo '{"payload": {"n": 1}}'; echo '{"n": 2}'; sleep 300`,
  });
  bench.manager.start();

  await expect.poll(bench.payloads).toEqual([{ n: 1 }, { n: 2 }]);

  expect(bench.events[0]?.source).toMatchObject({ sensorId: id, sensorRef: "test.one", term: bench.term });
  const row = await bench.rowMatching(id, { status: "running", pid: expect.any(Number) });
  expect(isRunning(row.pid ?? 0)).toBe(true);
  expect(bench.manager.activeCount()).toBe(1);
});

test("50,000 lines at once are all accepted, in their order", async () => {
  await using bench = await sensorBench();
  await bench.add("test.many", { entrypoint: "many-lines.mjs", runtimeRef: "core.sensor.nodejs" });
  bench.manager.start();

  await expect.poll(() => bench.events.length, { timeout: 20_000 }).toBe(50_000);

  expect(bench.payloads().every((payload, index) => payload["number"] === index)).toBe(true);
});
