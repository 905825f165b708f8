/**
 * Two agents on one database: a sensor runs on exactly one, and what the former owner still says is refused.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, metric, ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { insertRule, insertSensor, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { startCountingAfresh, type Counting } from "../support/counting.ts";

/** Enough to notice a gap; the load is that of other tests. */
const steady = { pace: { burst: 5, pauseMs: 10 } };
const shortLease = { lease_duration: 2, lease_renewal_interval: 0.5 };

async function owner({ database }: Counting): Promise<string | undefined> {
  const [row] = await query<{ name: string }>(
    database,
    "select worker.name from sensor_assignment join worker on worker.id = sensor_assignment.worker",
  );
  return row?.name;
}

test(
  "when the owner is killed, another worker resumes from the checkpoint",
  { timeout: 180_000 },
  async () => {
    await using counting = await startCountingAfresh(steady);
    const folders = [
      await counting.folder("one", shortLease),
      await counting.folder("two", shortLease),
    ] as const;
    await using one = await startAgent(folders[0]);
    await counting.progress();
    await using two = await startAgent(folders[1]);
    await ready(two, folders[1]);
    expect(await owner(counting)).toBe("one");

    one.kill("SIGKILL");
    await one.ended;

    await expect.poll(() => owner(counting), { timeout: 60_000 }).toBe("two");
    await counting.progress();
    await counting.finish();
    await counting.expectNothingLostOrDoubled();
  },
);

test(
  "a frozen owner that thaws stores nothing and logs it, while the other continues",
  { timeout: 180_000 },
  async () => {
    // Fast enough that lines wait in the frozen agent's pipe.
    await using counting = await startCountingAfresh({ pace: { burst: 200, pauseMs: 5 } });
    const folders = [
      await counting.folder("frozen", shortLease),
      await counting.folder("heir", shortLease),
    ] as const;
    await using frozen = await startAgent(folders[0]);
    await counting.progress();
    await using heir = await startAgent(folders[1]);
    await ready(heir, folders[1]);

    frozen.kill("SIGSTOP");
    await expect.poll(() => owner(counting), { timeout: 60_000 }).toBe("heir");
    await counting.progress();
    frozen.kill("SIGCONT");

    await expect
      .poll(() => metric(folders[0], "attune_sensor_agent_events_fenced_total"), { timeout: 60_000 })
      .toBeGreaterThan(0);
    await expect
      .poll(() => readFile(folders[0].logPath, "utf8"), { timeout: 60_000 })
      .toContain("lost assignments");
    const uncounted = async () => {
      const [row] = await query<{ fenced_events: number }>(
        counting.database,
        "select fenced_events::int from sensor_process where fenced_worker = 'frozen'",
      );
      const refused = await metric(folders[0], "attune_sensor_agent_events_fenced_total");
      return row === undefined ? undefined : refused - row.fenced_events;
    };
    await expect.poll(uncounted, { timeout: 20_000 }).toBe(0);
    await counting.progress();
    expect(await owner(counting)).toBe("heir");
    await counting.finish();
    await counting.expectNothingLostOrDoubled();
  },
);

test(
  "a transaction that holds an agent's assignment for several leases costs it nothing, and no neighbour takes over",
  { timeout: 180_000 },
  async () => {
    await using counting = await startCountingAfresh(steady);
    const folders = [
      await counting.folder("one", shortLease),
      await counting.folder("two", shortLease),
    ] as const;
    await using one = await startAgent(folders[0]);
    await counting.progress();
    await using two = await startAgent(folders[1]);
    await ready(two, folders[1]);
    const started = "select pid, started_at from sensor_process where status = 'running'";
    await expect.poll(() => query(counting.database, started)).toHaveLength(1);
    const before = await query(counting.database, started);

    // As a batch of events that takes long to store.
    await counting.database.transaction(async (storing) => {
      await query(storing, "select from sensor_assignment for key share");
      await sleep(4_000 * shortLease.lease_duration);
    });

    await counting.progress();
    expect(await owner(counting)).toBe("one");
    expect(await query(counting.database, started)).toEqual(before);
    for (const { logPath } of folders)
      expect(await readFile(logPath, "utf8")).not.toContain("lost assignments");
    await one.assertRunning();
    await counting.finish();
    await counting.expectNothingLostOrDoubled();
  },
);

test("a graceful stop hands the sensor over at once", { timeout: 180_000 }, async () => {
  await using counting = await startCountingAfresh(steady);
  // A lease so long that only a release explains the handover.
  const longLease = { lease_duration: 600, lease_renewal_interval: 1 };
  const folders = [await counting.folder("one", longLease), await counting.folder("two", longLease)] as const;
  const one = await startAgent(folders[0]);
  await counting.progress();
  await using two = await startAgent(folders[1]);
  await ready(two, folders[1]);

  one.kill("SIGTERM");
  expect(await one.ended).toBe(0);

  await expect.poll(() => owner(counting), { timeout: 60_000 }).toBe("two");
  await counting.progress();
  await counting.finish();
  await counting.expectNothingLostOrDoubled();
});

test(
  "a second agent with the same name is refused with one clear line, and the first continues",
  { timeout: 180_000 },
  async () => {
    await using counting = await startCountingAfresh(steady);
    await using first = await startAgent(await counting.folder("same"));
    await counting.progress();

    const folder = await counting.folder("same");
    await using second = await startAgent(folder);

    expect(await second.ended).toBe(1);
    const lines = (await readFile(folder.logPath, "utf8")).trimEnd().split("\n");
    expect(lines.at(-1)).toMatch(
      /could not register as worker same: the name is held by another process, pid \d+ .*--name/,
    );
    await counting.progress();
    await first.assertRunning();
  },
);

test(
  "a lost database session leaves the name unprotected for a moment only",
  { timeout: 180_000 },
  async () => {
    await using counting = await startCountingAfresh(steady);
    // Only a new session explains a beat as soon as this.
    const beat = { heartbeat_interval: 600 };
    await using first = await startAgent(await counting.folder("same", beat));
    await counting.progress();

    await query(
      counting.database,
      `select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'attune-sensor-agent' and datname = current_database() and pid <> pg_backend_pid()`,
    );
    await counting.progress();
    await using second = await startAgent(await counting.folder("same", beat));

    expect(await second.ended).toBe(1);
    await counting.progress();
    await first.assertRunning();
  },
);

test("a stopping worker gets no sensor", { timeout: 180_000 }, async () => {
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();
  const { database } = fresh;
  await using folders = new AsyncDisposableStack();
  const folder = async (workerName: string): Promise<AgentFolder> =>
    folders.use(
      await agentFolder({
        databaseUrl: fresh.url,
        brokerUrl: vhost.url,
        packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
        workerName,
        sensor: { shutdown_timeout: 15 },
      }),
    );
  const addSensor = async (ref: string): Promise<void> => {
    const runtimeRef = "core.sensor.shell";
    await insertSensor(database, { ref, triggerRef: "fault.told", runtimeRef, entrypoint: "reluctant.sh" });
  };
  const placed = async (): Promise<readonly object[]> =>
    await query(
      database,
      `select sensor.ref, worker.name
         from sensor_assignment
         join sensor on sensor.id = sensor_assignment.sensor
         join worker on worker.id = sensor_assignment.worker
         join sensor_process on sensor_process.sensor = sensor.id and sensor_process.status = 'running'
        order by sensor.ref`,
    );
  await insertTrigger(database, "fault.told");
  await insertRule(database, { ref: "fault.one", triggerRef: "fault.told" });
  const [staying, leaving] = [await folder("staying"), await folder("leaving")];
  await using first = await startAgent(staying);
  await ready(first, staying);
  await addSensor("fault.a");
  const a = { ref: "fault.a", name: "staying" };
  await expect.poll(placed, { timeout: 60_000 }).toEqual([a]);
  await using second = await startAgent(leaving);
  await ready(second, leaving);
  await addSensor("fault.b");
  const b = { ref: "fault.b", name: "leaving" };
  await expect.poll(placed, { timeout: 60_000 }).toEqual([a, b]);
  await addSensor("fault.c");
  await expect.poll(placed, { timeout: 60_000 }).toHaveLength(3);

  // Its own sensor takes seconds to stop; meanwhile it has less to do than the other.
  second.kill("SIGTERM");
  const room = (): Promise<object[]> =>
    query(
      database,
      "select capabilities->'max_concurrent_sensors' as room from worker where name = 'leaving'",
    );
  await expect.poll(room, { timeout: 12_000 }).toEqual([{ room: 0 }]);
  await addSensor("fault.d");

  const d = { ref: "fault.d", name: "staying" };
  await expect.poll(placed, { timeout: 12_000, interval: 50 }).toContainEqual(d);
  await second.assertRunning();
});
