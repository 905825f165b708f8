import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { JsonObject } from "../../src/model/json/json.ts";
import { query } from "../support/platform-rows.ts";
import { isRunning } from "../../scripts/services/is-running.ts";
import { watchTurns } from "../support/longest-turn.ts";
import { systemClock, type Clock } from "../../src/time/clock.ts";
import { fakePlatform } from "../support/fake-platform.ts";
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

test("a sensor that runs and has printed no line is known, until it prints one", async () => {
  await using bench = await sensorBench();
  const script = `printf '{"n": '; while [ ! -e "$HERE/told" ]; do sleep 0.05; done; echo '1}'; sleep 300`;
  const quiet = await bench.add("test.quiet", { script: `HERE=${bench.folder}; ${script}` });
  const idle = await bench.add("test.idle", { protocol: "poll", script: "sleep 300" });
  bench.manager.start();

  await bench.rowMatching(idle, { status: "running", first_output_at: null });
  await bench.rowMatching(quiet, { status: "running", first_output_at: null });
  expect([...bench.manager.observations.silentSeconds().keys()]).toEqual(["test.quiet"]);

  writeFileSync(join(bench.folder, "told"), "");
  await bench.rowMatching(quiet, { status: "running", first_output_at: expect.any(Date) });
  expect(bench.manager.observations.silentSeconds().size).toBe(0);
});

test("a sensor reports when its last event was stored; one without events does not", async () => {
  await using bench = await sensorBench();
  const beforeSeconds = Date.now() / 1_000;
  await bench.add("test.lively", { script: `echo '{"n": 1}'; sleep 300` });
  await bench.add("test.garbled", { script: "echo no event; sleep 300" });
  bench.manager.start();

  await expect.poll(() => [...bench.manager.observations.lastEventSeconds().keys()]).toEqual(["test.lively"]);
  await expect.poll(() => bench.manager.observations.outputAgeSeconds().has("test.garbled")).toBe(true);

  const last = bench.manager.observations.lastEventSeconds().get("test.lively");
  expect(last).toBeGreaterThanOrEqual(beforeSeconds);
  expect(last).toBeLessThanOrEqual(Date.now() / 1_000);
  expect(bench.manager.observations.lastEventSeconds().size).toBe(1);
});

test("a sensor that printed regularly and then hangs becomes unusually silent after a while", async () => {
  let leapMs = 0;
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + leapMs };
  await using bench = await sensorBench({ clock });
  const lines = `for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo "{\\"n\\": $n}"; sleep 0.05; done`;
  await bench.add("test.hanging", { script: `${lines}; sleep 300` });
  await bench.add("test.rare", { script: `echo '{"n": 1}'; sleep 300` });
  bench.manager.start();
  await expect.poll(() => bench.events.length, { timeout: 20_000 }).toBe(13);

  leapMs = 200_000;
  expect(bench.manager.observations.unusuallySilent().size).toBe(0);
  leapMs = 400_000;

  expect([...bench.manager.observations.unusuallySilent()]).toEqual([["test.hanging", 1]]);
});

test("a sensor's row keeps the time and the rhythm of its output across restarts", async () => {
  await using bench = await sensorBench();
  const lines = `for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo "{\\"n\\": $n}"; sleep 0.05; done`;
  const script = `[ -e "$HERE/told" ] || { : > "$HERE/told"; ${lines}; }; sleep 300`;
  const id = await bench.add("test.regular", { script: `HERE=${bench.folder}; ${script}` });
  bench.manager.start();
  await expect.poll(() => bench.events.length, { timeout: 20_000 }).toBe(12);
  expect([...bench.manager.observations.outputAgeSeconds().keys()]).toEqual(["test.regular"]);
  expect(bench.manager.observations.unusuallySilent().size).toBe(0);

  await query(bench.database, "update sensor set enabled = false");
  bench.manager.wake();
  const known = { output_interval: expect.any(Number), longest_silence: expect.any(Number) };
  const { last_output_at: last } = await bench.rowMatching(id, { status: "stopped", ...known });
  await query(bench.database, "update sensor set enabled = true");
  bench.manager.wake();

  await bench.rowMatching(id, { status: "running", first_output_at: null, last_output_at: last, ...known });
});

test("a Python sensor that never flushes is read line by line, thanks to its runtime's variables", async () => {
  await using bench = await sensorBench();
  const interpreter = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], {
    encoding: "utf8",
  });
  const ref = "core.sensor.python";
  const [row] = await query<{ execution_config: JsonObject }>(
    bench.database,
    "select execution_config from runtime where ref = $1",
    [ref],
  );
  bench.runtimes.set(ref, {
    ref,
    name: "python",
    interpreter: interpreter.trim(),
    interpreterArgs: [],
    version: null,
    executionConfig: row?.execution_config ?? {},
  });
  await bench.add("test.python", { entrypoint: "no-flush.py", runtimeRef: ref });
  bench.manager.start();

  await expect.poll(bench.payloads, { timeout: 20_000 }).toContainEqual({ n: 2 });
});

test("a sensor that prints a key twice gets one remark that the last value is kept", async () => {
  await using bench = await sensorBench();
  const line = '{"payload": {"disk": "/", "disk": "/home"}}';
  await bench.add("test.twice", { script: `echo '${line}'; echo '${line}'; sleep 300` });
  bench.manager.start();

  await expect.poll(bench.payloads, { timeout: 20_000 }).toEqual([{ disk: "/home" }, { disk: "/home" }]);

  const told = async (): Promise<number> =>
    (await bench.log("test.twice")).split('accepted, but it has the key "disk" twice in one object').length -
    1;
  await expect.poll(told, { timeout: 20_000 }).toBe(1);
});

test("a burst of invalid lines blocks nothing, and valid events are stored", async () => {
  await using bench = await sensorBench({ limits: { logBytesMax: 1_000_000_000 } });
  const script = `yes x | head -n 200000; yes '{"half' | head -n 20000; yes '{}' | head -n 50000; sleep 300`;
  await bench.add("test.burst", { script });
  using turns = watchTurns();
  bench.manager.start();

  await expect.poll(() => bench.events.length, { timeout: 25_000 }).toBe(50_000);

  expect(bench.counts.linesRejected).toBe(220_000);
  expect(turns.longestMs()).toBeLessThan(50);
  expect((await bench.log("test.burst")).split("\n").length).toBeLessThan(2_000);
});

test("a line of a megabyte, whatever it contains, blocks nothing", async () => {
  await using bench = await sensorBench();
  const script = `printf '{"payload":{"list":['; yes '{},' | head -n 250000 | tr -d '\\n'; printf '{}]}}\\n'; sleep 300`;
  await bench.add("test.long", { script });
  using turns = watchTurns();
  bench.manager.start();

  await expect.poll(() => bench.events.length, { timeout: 25_000 }).toBe(1);

  expect(bench.payloads()[0]?.["list"]).toHaveLength(250_001);
  expect(turns.longestMs()).toBeLessThan(50);
});

test("a program that goes on using its token is restarted before it expires, as no failure", async () => {
  let leapMs = 0;
  const clock: Clock = {
    ...systemClock,
    nowMs: () => Date.now() + leapMs,
    monotonicMs: () => systemClock.monotonicMs() + leapMs,
    // Short, so that a leap is noticed at once.
    sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 50), signal),
  };
  const platform = fakePlatform(clock);
  await using bench = await sensorBench({ clock, platform, limits: { tokenTtlSeconds: 1_000 } });
  const script = `echo "{\\"token\\": \\"$ATTUNE_API_TOKEN\\"}"; while :; do sleep 0.1; done`;
  const id = await bench.add("test.one", { protocol: "stream", script });
  bench.manager.start();
  await expect.poll(() => bench.payloads()).toEqual([{ token: "token-1" }]);

  leapMs = 500_000;
  platform.use("test.one");
  leapMs = 975_000;

  await expect
    .poll(() => bench.payloads(), { timeout: 10_000 })
    .toEqual([{ token: "token-1" }, { token: "token-2" }]);
  expect(await bench.log("test.one")).toContain("restarted: its token is about to expire");
  await bench.rowMatching(id, { status: "running", failures: 0 });
});
