import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../src/time/clock.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { fakePlatform } from "../support/fake-platform.ts";
import { listOf, objectOf } from "../../src/model/json/json.ts";
import { isRunning } from "../../scripts/services/is-running.ts";
import { watchTurns } from "../support/longest-turn.ts";
import { query } from "../support/platform-rows.ts";
import { sensorBench } from "./sensor-bench.ts";

const restart = {
  isRestartEnabled: true,
  delayMsFirst: 60_000,
  delayMsMax: 60_000,
  restartsMax: 3,
  stableAfterMs: 60_000,
};
const poll = { protocol: "poll" } as const;

test("a poll sensor finds its ref, its main trigger and its config under their further names too", async () => {
  await using bench = await sensorBench();
  const script =
    `printf '{"events":[{"ref":"%s","trigger":"%s","config":%s}]}' ` +
    `"$SENSOR_REF" "$TRIGGER_REF" "$SENSOR_CONFIG"`;
  await bench.add("test.named", { protocol: "poll", script, config: { city: "Bern" }, pollInterval: 60 });
  bench.manager.start();

  await expect
    .poll(() => bench.payloads(), { timeout: 10_000 })
    .toEqual([{ ref: "test.named", trigger: "test.happened", config: { script, city: "Bern" } }]);
});

test("the output of a successful run becomes events, in both forms", async () => {
  await using bench = await sensorBench();
  await bench.add("test.batch", { ...poll, script: `printf '{\\n"events": [{"n": 1}, 2]}\\n'` });
  await bench.add("test.lines", {
    ...poll,
    script: `echo '{"n": 3}'; echo oops; echo '{"payload": {"n": 4}}'`,
  });
  bench.manager.start();

  await expect.poll(() => bench.events.length).toBe(4);

  const payloadsOf = (ref: string) =>
    bench.events.filter((event) => event.source?.sensorRef === ref).map((event) => event.payload);
  expect(payloadsOf("test.batch")).toEqual([{ n: 1 }, { value: 2 }]);
  expect(payloadsOf("test.lines")).toEqual([{ n: 3 }, { n: 4 }]);
  expect(bench.counts.linesRejected).toBe(1);
});

test("a run that fails makes no events and is a failure", async () => {
  await using bench = await sensorBench({ limits: { restart } });
  const id = await bench.add("test.bad", { ...poll, script: `echo '{"n": 1}'; echo why >&2; exit 2` });
  bench.manager.start();

  await bench.rowMatching(id, { status: "backoff", exit_code: 2, stderr_excerpt: "why" });

  expect(bench.events).toEqual([]);
});

test("a sensor that fails every other time is seen to, although it never fails twice in a row", async () => {
  const quick = { ...restart, delayMsFirst: 10, delayMsMax: 10 };
  await using bench = await sensorBench({ limits: { restart: quick, pollIntervalMs: 20 } });
  const file = join(bench.folder, "odd");
  const id = await bench.add("test.flaky", {
    ...poll,
    script: `if [ -e ${file} ]; then rm ${file}; exit 1; fi; touch ${file}; echo '{"n": 1}'`,
  });
  bench.manager.start();

  await bench.rowMatching(id, { recent_runs: 10, recent_failures: 5 });
  expect(bench.statuses).not.toContain("test.flaky failed");
});

test("the output of a failed run is in the sensor's log, shortened if it is long", async () => {
  await using bench = await sensorBench({ limits: { restart } });
  const id = await bench.add("test.check", { ...poll, script: "echo 'DISK CRITICAL - 5% free'; exit 2" });
  const many = await bench.add("test.much", {
    ...poll,
    script: "n=0; while [ $n -lt 2000 ]; do n=$((n + 1)); echo line $n; done; exit 1",
  });
  bench.manager.start();

  await bench.rowMatching(id, { status: "backoff", exit_code: 2 });
  await bench.rowMatching(many, { status: "backoff", exit_code: 1 });

  await expect.poll(() => bench.log("test.check")).toContain("of the failed run: DISK CRITICAL - 5% free\n");
  await expect.poll(() => bench.log("test.much")).toContain("of the failed run: … (it printed 18893 bytes)");
  expect((await bench.log("test.much")).match(/of the failed run: line/g)?.length).toBe(50);
  expect(bench.counts.linesRejected).toBe(0);
});

test("a run with an exit code that means success makes events, others still fail", async () => {
  await using bench = await sensorBench({ limits: { restart } });
  const check = { ...poll, successExitCodes: [1, 2] };
  const id = await bench.add("test.warns", {
    ...check,
    script: `echo '{"events": [{"n": 1}], "checkpoint": 1}'; exit 2`,
  });
  const zero = await bench.add("test.zero", { ...check, script: `echo '{"n": 2}'` });
  const signalled = await bench.add("test.killed", { ...check, script: `echo '{"n": 3}'; kill -INT $$` });
  bench.manager.start();

  await bench.rowMatching(id, { status: "running", exit_code: 2, pid: null });
  await bench.rowMatching(zero, { status: "backoff", exit_code: 0 });
  await bench.rowMatching(signalled, { status: "backoff", signal: "SIGINT" });
  await expect.poll(bench.payloads).toEqual([{ n: 1 }]);
});

test("exit codes that a row has no right to make the sensor unable to run", async () => {
  await using bench = await sensorBench();
  const ids = [
    await bench.add("test.none", { ...poll, successExitCodes: [] }),
    await bench.add("test.large", { ...poll, successExitCodes: [0, 256] }),
    await bench.add("test.negative", { ...poll, successExitCodes: [-1] }),
  ];
  bench.manager.start();

  for (const id of ids) {
    await bench.rowMatching(id, { status: "failed", reason: expect.stringContaining("success_exit_codes") });
  }
});

test("a run that hangs is killed at its time limit, with what it started", async () => {
  await using bench = await sensorBench({ limits: { restart, graceMs: 100 } });
  const pidFile = join(bench.folder, "pid");
  const script = `trap '' TERM; sleep 300 & echo $! > ${pidFile}; while :; do sleep 0.02; done`;
  const id = await bench.add("test.hangs", { ...poll, timeout: 0.5, script });
  bench.manager.start();

  const row = await bench.rowMatching(id, { status: "backoff" });

  expect(row.reason).toBe("it ran longer than its time limit of 0.5 s and was killed");
  const pid = Number(readFileSync(pidFile, "utf8"));
  await expect.poll(() => isRunning(pid)).toBe(false);
});

test("a run that prints without end is killed at its limit", async () => {
  await using bench = await sensorBench({ limits: { restart, pollOutputBytesMax: 100_000 } });
  const id = await bench.add("test.flood", { ...poll, script: `while :; do echo '{"n": 1}'; done` });
  bench.manager.start();

  await bench.rowMatching(id, { status: "backoff", reason: expect.stringContaining("100000 bytes") });

  expect(bench.events).toEqual([]);
});

// Goal: runs follow the anchored schedule, skip slots they overran, and never overlap.
// Method: a run lasts as long as a file is there; a clock moved by hand; each run notes its beginning.
test("runs are anchored to their schedule, skip missed slots and never overlap", async () => {
  const clock = fakeClock();
  await using bench = await sensorBench({ clock });
  const busy = join(bench.folder, "busy");
  const script = `echo run >> ${bench.folder}/runs; while [ -e ${busy} ]; do sleep 0.01; done; echo '{}'`;
  await bench.add("test.slots", { ...poll, pollInterval: 10, timeout: 3_600, script });
  const runs = (): number =>
    existsSync(`${bench.folder}/runs`)
      ? readFileSync(`${bench.folder}/runs`, "utf8").split("\n").length - 1
      : 0;
  const settle = async (): Promise<void> => {
    await expect.poll(() => bench.events.length).toBe(runs());
    await clock.advance(0);
  };
  bench.manager.start();
  await expect.poll(runs).toBe(1);
  await settle();

  await clock.advance(9_000);
  expect(runs()).toBe(1);
  writeFileSync(busy, "");
  await clock.advance(1_000);
  await expect.poll(runs).toBe(2);
  await clock.advance(25_000); // To second 35, over two slots, while the run continues.
  expect(runs()).toBe(2);
  rmSync(busy);
  await settle();
  await expect.poll(() => bench.events.length).toBe(2);
  await clock.advance(4_000);
  expect(runs()).toBe(2);
  await clock.advance(1_000); // Second 40: the next slot of the schedule, not 35 + 10.
  await expect.poll(runs).toBe(3);
});

test("each run gets the newest committed checkpoint, of successful runs only", async () => {
  await using bench = await sensorBench({
    accept: async (event) => {
      await query(
        bench.database,
        `insert into sensor_checkpoint (sensor, value) values ($1, $2)
         on conflict (sensor) do update set value = excluded.value`,
        [event.source?.sensorId, JSON.stringify(event.checkpoint)],
      );
      return { kind: "stored", eventId: "1" };
    },
    limits: { restart: { ...restart, delayMsFirst: 10 } },
  });
  const script = `
    at=\${ATTUNE_SENSOR_CHECKPOINT:-0}
    echo "{\\"events\\": [{\\"at\\": $at}], \\"checkpoint\\": $((at + 1))}"
    # The first run at 2 fails after it has printed.
    if [ "$at" = 2 ] && [ ! -e ../failed ]; then : > ../failed; exit 1; fi`;
  await bench.add("test.position", { ...poll, pollInterval: 0.1, script });
  bench.manager.start();

  await expect.poll(() => bench.events.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(4);

  expect(bench.payloads().slice(0, 4)).toEqual([{ at: 0 }, { at: 1 }, { at: 2 }, { at: 3 }]);
  expect(bench.counts.sensorRestarted).toBe(1);
});

// Goal: a change of rules costs no run: the one in progress ends by itself and counts, and the next one sees the change.
// Method: the first run lasts until a file is there. Another sensor, started in the same step of the manager, shows that
// the step that noticed the change is over.
test("a change of rules leaves the run in progress alone, and the next run gets the new rules", async () => {
  await using bench = await sensorBench({ limits: { pollIntervalMs: 20 } });
  const begun = join(bench.folder, "begun");
  const go = join(bench.folder, "go");
  const script = `: > ${begun}; while [ ! -e ${go} ]; do sleep 0.01; done; echo "{\\"rules\\": $ATTUNE_SENSOR_TRIGGERS}"`;
  await bench.add("test.one", { ...poll, script });
  const paramsSeen = () => bench.payloads().map(({ rules }) => objectOf(listOf(rules)[0])["trigger_params"]);
  bench.manager.start();
  await expect.poll(() => existsSync(begun)).toBe(true);

  await query(bench.database, `update rule set trigger_params = '{"new": true}'`);
  const other = await bench.add("test.other", { script: "sleep 300" });
  bench.manager.wake();
  await bench.rowMatching(other, { status: "running" });
  writeFileSync(go, "");

  await expect.poll(paramsSeen).toContainEqual({ new: true });
  expect(paramsSeen()[0]).toEqual({});
});

test("while the rules cannot be read, a run gets those that were last read", async () => {
  await using bench = await sensorBench({ limits: { pollIntervalMs: 20 } });
  await bench.add("test.one", { ...poll, script: `echo "{\\"rules\\": $ATTUNE_SENSOR_TRIGGERS}"` });
  bench.manager.start();
  await query(bench.database, `update rule set trigger_params = '{"new": true}'`);
  const paramsSeen = () => bench.payloads().map(({ rules }) => objectOf(listOf(rules)[0])["trigger_params"]);
  await expect.poll(paramsSeen).toContainEqual({ new: true });

  await query(bench.database, "alter table rule rename to rule_away");
  const count = bench.events.length;

  await expect.poll(() => bench.events.length).toBeGreaterThan(count + 2);
  expect(paramsSeen().at(-1)).toEqual({ new: true });
});

test("a change of its config restarts a poll sensor, and one without rules stops", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.one", { ...poll, script: `printf '%s' "$SENSOR_CONFIG"` });
  bench.manager.start();
  await expect.poll(() => bench.events.length).toBe(1);

  await query(bench.database, `update sensor set config = config || '{"more": 1}'`);
  bench.manager.wake();
  await expect.poll(() => bench.payloads().at(-1)).toMatchObject({ more: 1 });

  await query(bench.database, "update rule set enabled = false");
  bench.manager.wake();
  await bench.rowMatching(id, { status: "stopped", reason: "no enabled rule needs its events" });
});

test("a poll sensor that failed because of a rule is tried at once when the rule changes", async () => {
  await using bench = await sensorBench({ limits: { restart: { ...restart, isRestartEnabled: false } } });
  const script = `case "$ATTUNE_SENSOR_TRIGGERS" in *wrong*) exit 1;; *) echo '{}';; esac`;
  const id = await bench.add("test.one", { ...poll, script });
  await query(bench.database, `update rule set trigger_params = '{"city": "wrong"}'`);
  bench.manager.start();
  await bench.rowMatching(id, { status: "failed" });

  await query(bench.database, `update rule set trigger_params = '{"city": "Bern"}'`);
  bench.manager.wake();

  await bench.rowMatching(id, { status: "running", failures: 0 });
});

test("a poll sensor between two runs counts as running and stops at once", async () => {
  await using bench = await sensorBench();
  const id = await bench.add("test.idle", { ...poll, script: `echo '{}'` });
  bench.manager.start();
  await bench.rowMatching(id, { status: "running", pid: null, exit_code: 0 });

  await bench.manager.stop();

  expect(await bench.rowOf(id)).toMatchObject({ status: "stopped" });
});

test("processes that a run left behind outside its group end when the sensor stops", async () => {
  await using bench = await sensorBench();
  const leave = `setsid sh -c 'echo $$ > ../left; exec sleep 300' > /dev/null 2>&1 &`;
  const script = `${leave} while [ ! -s ../left ]; do sleep 0.01; done; echo "{\\"pid\\": $(cat ../left)}"`;
  await bench.add("test.leaves", { ...poll, script });
  bench.manager.start();
  await expect.poll(() => bench.events.length).toBe(1);
  const pid = Number(bench.payloads()[0]?.["pid"]);
  expect(isRunning(pid)).toBe(true);

  await bench.manager.stop();

  await expect.poll(() => isRunning(pid)).toBe(false);
});

// Goal: a run with far more events than allowed costs its sensor a failure, and the agent neither its time nor memory.
// Method: 16 MB of [1,1,…] from a real process, as a list API might print by mistake.
test("a run of eight million events is refused with one reason, and blocks nothing", async () => {
  await using bench = await sensorBench({ limits: { restart } });
  const script = `printf '['; yes '1,' | head -n 5500000; printf '1]'`;
  const id = await bench.add("test.ones", { ...poll, script });
  const other = await bench.add("test.other", { script: `while :; do echo '{}'; sleep 0.05; done` });
  const memoryBefore = process.memoryUsage().rss;
  using turns = watchTurns();
  bench.manager.start();
  await bench.rowMatching(other, { status: "running" });

  const row = await bench.rowMatching(id, { status: "backoff" });

  expect(row.reason).toBe(
    "one run printed more than 100000 events (sensor.poll_events_max), so all were discarded",
  );
  expect(bench.payloads().every((payload) => Object.keys(payload).length === 0)).toBe(true);
  expect(turns.longestMs()).toBeLessThan(50);
  expect(process.memoryUsage().rss - memoryBefore).toBeLessThan(200 * 1024 * 1024);
});

test("all runs of a poll sensor share one token, which its stop revokes", async () => {
  const platform = fakePlatform(systemClock);
  await using bench = await sensorBench({ platform, limits: { pollIntervalMs: 20 } });
  const script = `printf '{"url": "%s", "token": "%s", "file": "%s"}' "$ATTUNE_API_URL" "$ATTUNE_API_TOKEN" "$ATTUNE_SENSOR_TOKEN_STATE_PATH"`;
  const id = await bench.add("test.one", { ...poll, script });
  bench.manager.start();
  await expect.poll(() => bench.events.length, { timeout: 10_000 }).toBeGreaterThan(3);

  bench.held.delete(id);
  bench.manager.wake();
  await bench.rowMatching(id, { status: "stopped" });

  const seen = { url: "http://127.0.0.1:8080", token: "token-1", file: "" };
  expect(bench.payloads()).toEqual(bench.events.map(() => seen));
  expect(platform.requests).toMatchObject([{ sensorRef: "test.one", sensorId: id, term: bench.term }]);
  expect(platform.revoked).toEqual(["jti-1"]);
});

test.each(["poll", "stream"])(
  "a %s sensor runs without a token while none can be had, and without an API",
  async (protocol) => {
    const platform = fakePlatform(systemClock);
    platform.refuse("the platform at http://far:8080 does not answer");
    const script = `printf '{"token": "%s"}\\n' "\${ATTUNE_API_TOKEN-none}"; [ "${protocol}" = poll ] || sleep 60`;
    for (const options of [{ platform }, {}]) {
      await using bench = await sensorBench(options);
      const id = await bench.add("test.one", { protocol, script });
      bench.manager.start();

      await expect.poll(() => bench.payloads(), { timeout: 10_000 }).toEqual([{ token: "none" }]);
      await bench.rowMatching(id, { status: "running", failures: 0, reason: null });
      const told = expect.stringContaining(
        "could not get an ATTUNE_API_TOKEN, going on without: the platform",
      );
      expect(await bench.log("test.one")).toEqual("platform" in options ? told : "");
    }
  },
);
