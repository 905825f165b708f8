/**
 * What operators ask of one agent for sensors that run on another: on one database, with real processes.
 */
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { openEmbedded } from "../../src/database/embedded/embedded.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import type { Database, Queryable } from "../../src/database/database.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { agentFolder, ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { insertRule, insertSensor, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

interface Answer {
  readonly status: number;
  readonly body: { readonly data: Record<string, unknown>; readonly error: string; readonly code: string };
}

async function ask({ apiUrl }: AgentFolder, path: string, method = "GET"): Promise<Answer> {
  const response = await fetch(`${apiUrl}/api/v1${path}`, { method });
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}

async function addTalker(database: Queryable): Promise<void> {
  await insertTrigger(database, "fault.talk");
  await insertSensor(database, {
    ref: "fault.talker",
    triggerRef: "fault.talk",
    runtimeRef: "core.sensor.shell",
    entrypoint: "talker.sh",
  });
  await insertRule(database, { ref: "fault.talk", triggerRef: "fault.talk" });
}

function folderOf(
  databaseUrl: string | undefined,
  workerName: string,
  sensor: Readonly<Record<string, unknown>> = {},
): Promise<AgentFolder> {
  return agentFolder({
    databaseUrl,
    brokerUrl: undefined,
    packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
    workerName,
    sensor,
  });
}

async function runningPid(database: Database): Promise<number | null> {
  const [row] = await query<{ status: string; pid: number | null }>(
    database,
    "select status, pid from sensor_process",
  );
  return row?.status === "running" ? row.pid : null;
}

const waiting = { timeout: 20_000 };

test("a sensor on another worker is shown, and restarted there", { timeout: 90_000 }, async () => {
  await using fresh = await freshDatabase();
  const { database, url } = fresh;
  await addTalker(database);
  await using there = await folderOf(url, "there");
  await using owner = await startAgent(there);
  await ready(owner, there);
  await expect.poll(() => runningPid(database), waiting).not.toBeNull();
  await using here = await folderOf(url, "here");
  await using asked = await startAgent(here);
  await ready(asked, here);
  const before = await runningPid(database);

  const status = await ask(here, "/sensors/fault.talker/status");
  const restart = await ask(here, "/sensors/fault.talker/restart", "POST");

  expect(status).toMatchObject({
    status: 200,
    body: {
      data: {
        ref: "fault.talker",
        state: "running",
        worker_name: "there",
        assignment: { generation: expect.any(Number), lease_expires_at: expect.any(String) },
        process: { pid: before, current: true },
        rules: { total: 1, enabled: 1, effective: 1 },
        checkpoint: null,
        finding: { state: "good", detail: expect.stringContaining("runs on worker there") },
      },
    },
  });
  expect(restart).toEqual({
    status: 200,
    body: { data: { ref: "fault.talker", worker_name: "there", restarted: true, state: "running" } },
  });
  await expect.poll(() => runningPid(database), waiting).toSatisfy((pid) => pid !== null && pid !== before);
});

test("when the owner dies, the worker that takes the sensor over answers", { timeout: 90_000 }, async () => {
  await using fresh = await freshDatabase();
  const { database, url } = fresh;
  await addTalker(database);
  const shortLease = { lease_duration: 3, lease_renewal_interval: 0.5 };
  await using there = await folderOf(url, "there", shortLease);
  await using owner = await startAgent(there);
  await ready(owner, there);
  await expect.poll(() => runningPid(database), waiting).not.toBeNull();
  await using here = await folderOf(url, "here", shortLease);
  await using asked = await startAgent(here);
  await ready(asked, here);

  owner.kill("SIGKILL");
  await owner.ended;
  const restart = await ask(here, "/sensors/fault.talker/restart", "POST");

  expect(restart).toMatchObject({ status: 200, body: { data: { worker_name: "here", restarted: true } } });
  expect(await query(database, "select from worker_request")).toEqual([]);
});

test(
  "a sensor that runs nowhere is not restarted, and the answer says why",
  { timeout: 60_000 },
  async () => {
    await using fresh = await freshDatabase();
    const { database, url } = fresh;
    await addTalker(database);
    await query(database, "update sensor set enabled = false");
    await insertSensor(database, {
      ref: "p.foreign",
      triggerRef: "fault.talk",
      runtimeRef: "core.sensor.cobol",
    });
    await using folder = await folderOf(url, "alone");
    await using agent = await startAgent(folder);
    await ready(agent, folder);

    expect(await ask(folder, "/sensors/fault.talker/restart", "POST")).toMatchObject({
      status: 409,
      body: { code: "CONFLICT", error: "No worker runs fault.talker: it does not run: it is disabled." },
    });
    expect(await ask(folder, "/sensors/p.foreign/restart", "POST")).toMatchObject({
      status: 409,
      body: { error: expect.stringContaining("core.sensor.cobol") },
    });
    expect(await ask(folder, "/sensors/p.foreign/status")).toMatchObject({
      body: { data: { state: "stopped", worker_name: null, assignment: null, finding: { state: "wrong" } } },
    });
    for (const ref of ["p.none", "..%2f..%2fetc%2fpasswd", "%00"]) {
      for (const [path, method] of [
        ["status", "GET"],
        ["restart", "POST"],
      ] as const) {
        const { status } = await ask(folder, `/sensors/${ref}/${path}`, method);
        expect([404, 422]).toContain(status);
      }
    }
  },
);

test("an agent on its own restarts its sensors", { timeout: 120_000 }, async () => {
  await using folder = await folderOf(undefined, "alone");
  {
    await using database = await openEmbedded({
      dataDirectory: join(folder.path, "data"),
      logger: silentLogger,
    });
    await migrate(database, loadMigrations(), silentLogger);
    await addTalker(database);
  }
  await using agent = await startAgent(folder);
  await ready(agent, folder, 60_000);
  const status = async (): Promise<unknown> => (await ask(folder, "/sensors/fault.talker/status")).body.data;
  await expect.poll(status, waiting).toMatchObject({ state: "running" });

  expect(await ask(folder, "/sensors/fault.talker/restart", "POST")).toMatchObject({
    status: 200,
    body: { data: { worker_name: "alone", restarted: true, state: "running" } },
  });
});
