/** Rules on files, on real agents that are killed. */
import { mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, startAgent } from "../support/agent-process.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";

const soon = { timeout: 120_000, interval: 100 };

// Goal: whatever happens to the agent, each change of a file is one event of its rule.
// Method: kill it while files change, change more while none runs, and count events by file.
test(
  "each file is one event, through kill -9 and while no agent runs; a rule that selects a worker runs there",
  { timeout: 600_000 },
  async () => {
    await using fresh = await freshDatabase();
    await using vhost = await freshVhost();
    const { database } = fresh;
    const folder = realpathSync(mkdtempSync(join(tmpdir(), "attune-inbox-")));
    const rule = (ref: string, params: object) =>
      query(
        database,
        "insert into rule (ref, action_ref, trigger_ref, trigger_params) values ($1, 'core.noop', 'core.file_changed', $2)",
        [ref, JSON.stringify({ path: folder, event_types: ["created"], ...params })],
      );
    await rule("t.all", { report_missed: true, report_existing: true });
    await rule("t.here", { include: ["here-*"], worker: "one" });
    await rule("t.elsewhere", { include: ["*"], worker: "two" });
    const settings = await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: vhost.url,
      packsDirectory: join(repositoryRoot, "packs"),
      workerName: "one",
      sensor: { lease_duration: 2, lease_renewal_interval: 0.5 },
    });
    await using _settings = settings;
    const names = async (ruleRef: string): Promise<readonly string[]> => {
      const rows = await query<{ name: string }>(
        database,
        `select event.payload->>'name' as name
         from enforcement
         join event on event.id = enforcement.event
        where enforcement.rule_ref = $1
        order by 1`,
        [ruleRef],
      );
      return rows.map(({ name }) => name);
    };
    const expected: string[] = [];
    const write = (name: string): void => {
      writeFileSync(join(folder, `.${name}`), name);
      renameSync(join(folder, `.${name}`), join(folder, name));
      expected.push(name);
    };

    write("existing");
    for (let round = 0; round < 2; round += 1) {
      await using agent = await startAgent(settings);
      await expect.poll(() => names("t.all"), soon).toEqual(expected.toSorted());
      for (let n = 0; n < 200; n += 1) write(`round${round}-${n}`);
      await expect
        .poll(async () => (await names("t.all")).length, soon)
        .toBeGreaterThan(expected.length - 200);
      agent.kill("SIGKILL");
      await agent.ended;
      write(`down${round}`);
    }
    await using _last = await startAgent(settings);
    await expect.poll(() => names("t.all"), soon).toEqual(expected.toSorted());
    await expect
      .poll(async () => {
        write(`here-${expected.length}`);
        return (await names("t.here")).length;
      }, soon)
      .toBeGreaterThan(0);
    await expect.poll(() => names("t.all"), soon).toEqual(expected.toSorted());

    expect(await names("t.elsewhere")).toEqual([]);
    const states = await query<{ ref: string; status: string | null; placement: object }>(
      database,
      `select sensor.ref, sensor_process.status, placement
       from sensor left join sensor_process on sensor_process.sensor = sensor.id
      where entrypoint = 'files' order by placement::text`,
    );
    expect(states.map(({ status, placement }) => [placement, status])).toEqual([
      [{ worker: "one" }, "running"],
      [{ worker: "two" }, null],
      [{}, "running"],
    ]);
    rmSync(folder, { recursive: true });
  },
);

test("another agent watches on when the one that watches is killed", { timeout: 180_000 }, async () => {
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();
  const { database } = fresh;
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "attune-inbox-")));
  await query(
    database,
    "insert into rule (ref, action_ref, trigger_ref, trigger_params) values ('t.any', 'core.noop', 'core.file_changed', $1)",
    [JSON.stringify({ path: folder, event_types: ["created"] })],
  );
  const folderOf = (workerName: string) =>
    agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: vhost.url,
      packsDirectory: join(repositoryRoot, "packs"),
      workerName,
      sensor: { lease_duration: 2, lease_renewal_interval: 0.5 },
    });
  let written = 0;
  /** Writes files until the last ones are seen. */
  const seesNewFiles = async (): Promise<void> => {
    const from = written;
    await expect
      .poll(async () => {
        writeFileSync(join(folder, `file${written}`), "");
        written += 1;
        const names = await query<{ name: string }>(database, "select payload->>'name' as name from event");
        return names.some(({ name }) => Number(name.slice(4)) >= from);
      }, soon)
      .toBe(true);
  };
  const watcher = async (): Promise<string | undefined> =>
    (
      await query<{ name: string }>(
        database,
        `select worker.name
           from sensor_assignment
           join worker on worker.id = worker
          where sensor = (select id from sensor where ref = 'core.files')`,
      )
    )[0]?.name;

  await using oneFolder = await folderOf("one");
  await using one = await startAgent(oneFolder);
  await seesNewFiles();
  await using twoFolder = await folderOf("two");
  await using _two = await startAgent(twoFolder);
  expect(await watcher()).toBe("one");
  one.kill("SIGKILL");
  await one.ended;
  await expect.poll(watcher, soon).toBe("two");
  await seesNewFiles();

  const [doubled] = await query<{ count: number }>(
    database,
    "select count(*)::int - count(distinct payload->>'name')::int as count from event",
  );
  expect(doubled?.count).toBe(0);
  rmSync(folder, { recursive: true });
});
