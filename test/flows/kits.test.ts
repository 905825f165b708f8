/**
 * A real sensor with each kit, in both protocols, under a real agent: it is killed, its rules change, and every number from 1
 * on is stored exactly once.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { insertRule, insertSensor, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { kitPack, kitPrograms } from "../sdk/kit-programs.ts";

const runtimes = { python: "core.sensor.python", node: "core.sensor.nodejs", shell: "core.sensor.shell" };
const patient = { timeout: 60_000, interval: 200 };

interface Process {
  readonly status: string;
  readonly pid: number | null;
}

test.each(
  (["stream", "standalone"] as const).flatMap((protocol) =>
    kitPrograms.map((program) => ({ ...program, protocol })),
  ),
)("$language, $protocol: killed and started again, it loses nothing and doubles nothing", async (program) => {
  const { language, protocol, script } = program;
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();
  await using pack = await kitPack();
  const { database } = fresh;
  await insertTrigger(database, "kits.count");
  await insertRule(database, { ref: "kits.seven", triggerRef: "kits.count" });
  await insertSensor(database, {
    ref: "kits.counter",
    triggerRef: "kits.count",
    runtimeRef: runtimes[language],
    entrypoint: script,
    protocol,
  });
  await query(database, `update sensor set config = '{"seconds": 0.05}'`);
  await using folder = await agentFolder({
    databaseUrl: fresh.url,
    brokerUrl: vhost.url,
    packsDirectory: pack.packsDirectory,
    workerName: "kits",
    sensor: { restart_delay: 0.2 },
  });
  await using agent = await startAgent(folder);
  await ready(agent, folder);
  const numbers = async (): Promise<readonly number[]> => {
    const rows = await query<{ count: number }>(
      database,
      `select (payload->>'count')::int as count from event where trigger_ref = 'kits.count' order by 1`,
    );
    return rows.map(({ count }) => count);
  };
  const running = async (): Promise<Process | undefined> => {
    const [row] = await query<Process>(
      database,
      "select status, pid from sensor_process where status = 'running'",
    );
    return row;
  };
  await expect.poll(numbers, patient).toContain(10);
  // Rows follow what they report on.
  await expect.poll(running, patient).toMatchObject({ pid: expect.any(Number) });

  const before = await running();
  const pid = before?.pid ?? undefined;
  if (pid === undefined) throw new Error("the sensor has no process");
  process.kill(pid, "SIGKILL");
  await expect.poll(async () => (await running())?.pid, patient).not.toBe(pid);
  const last = Math.max(...(await numbers()));
  await expect.poll(numbers, patient).toContain(last + 10);

  await query(database, "update rule set enabled = false");
  await expect
    .poll(
      async () => (await query(database, "select 1 from sensor_process where status = 'stopped'")).length,
      patient,
    )
    .toBe(1);
  const stored = await numbers();
  expect(stored).toEqual(stored.map((_, index) => index + 1));
});

test.each(kitPrograms.filter(({ language }) => language !== "shell"))(
  "$language, standalone: changes of rules arrive without a restart",
  async ({ language, script }) => {
    await using fresh = await freshDatabase();
    await using vhost = await freshVhost();
    await using pack = await kitPack();
    const { database } = fresh;
    await insertTrigger(database, "kits.count");
    await insertRule(database, { ref: "kits.first", triggerRef: "kits.count" });
    await insertSensor(database, {
      ref: "kits.counter",
      triggerRef: "kits.count",
      runtimeRef: runtimes[language],
      entrypoint: script,
      protocol: "standalone",
    });
    await query(database, `update sensor set config = '{"seconds": 0.5}'`);
    await using folder = await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: vhost.url,
      packsDirectory: pack.packsDirectory,
      workerName: "kits",
    });
    await using agent = await startAgent(folder);
    await ready(agent, folder);
    const log = async (): Promise<readonly string[]> => {
      const text = await readFile(join(folder.path, "logs/kits.counter.log"), "utf8").catch(() => "");
      return [...text.matchAll(/rule \d+ (True|False) \S+/g)].map(([line]) => line);
    };
    const pids = async () =>
      query(database, "select pid, failures from sensor_process where status = 'running'");
    await expect.poll(log, patient).toHaveLength(1);
    await expect.poll(pids, patient).toHaveLength(1);
    const started = await pids();

    const id = await insertRule(database, { ref: "kits.second", triggerRef: "kits.count" });
    await expect.poll(log, patient).toContainEqual(expect.stringMatching(new RegExp(`^rule ${id} True`)));
    await query(database, `update rule set trigger_params = '{"n": 5}' where ref = 'kits.second'`);
    await expect.poll(log, patient).toContainEqual(`rule ${id} True 5`);
    await query(database, "delete from rule where ref = 'kits.second'");
    await expect.poll(log, patient).toContainEqual(`rule ${id} False 5`);

    expect(await pids()).toEqual(started);
  },
);
