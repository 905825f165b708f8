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
import { headersFor, tokenFor } from "../support/tokens.ts";

interface Answer {
  readonly status: number;
  readonly body: { readonly data: Record<string, unknown>; readonly error: string; readonly code: string };
}

async function ask({ apiUrl }: AgentFolder, path: string, method = "GET"): Promise<Answer> {
  const response = await fetch(`${apiUrl}/api/v1${path}`, { method, headers: await headersFor("admin") });
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

interface Line {
  readonly time: string | null;
  readonly text: string;
  readonly worker_name: string;
}

/** Follows the talker's log into an array, until disposed. */
function follow({ apiUrl }: AgentFolder, tail: number, token = tokenFor("admin")) {
  const leaving = new AbortController();
  const lines: Line[] = [];
  const ended = (async () => {
    const response = await fetch(`${apiUrl}/api/v1/sensors/fault.talker/logs?follow=true&tail=${tail}`, {
      headers: { authorization: `Bearer ${await token}` },
      signal: leaving.signal,
    });
    expect(response.headers.get("content-type")).toContain("application/x-ndjson");
    let rest = "";
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const texts = (rest + chunk).split("\n");
      rest = texts.pop() ?? "";
      lines.push(...texts.filter((text) => text !== "").map((text) => JSON.parse(text) as Line));
    }
  })();
  const settled = ended.catch(() => {});
  return {
    lines,
    ended,
    async [Symbol.asyncDispose]() {
      leaving.abort();
      await settled;
    },
  };
}

/** The numbers that each process of the talker has written to its log, in order, by process. */
function spoken(lines: readonly Line[]): ReadonlyMap<string, readonly number[]> {
  const byPid = Map.groupBy(
    lines.flatMap(({ text }) => {
      const [, number, pid = ""] = /^line (\d+) of (\d+)$/.exec(text) ?? [];
      return number === undefined ? [] : [{ pid, number: Number(number) }];
    }),
    ({ pid }) => pid,
  );
  return new Map([...byPid].map(([pid, all]) => [pid, all.map(({ number }) => number)]));
}

/** Without a gap and without a repetition, whatever came before the first. */
function expectInOrder(numbers: readonly number[]): void {
  expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index));
}

async function runningPid(database: Database): Promise<number | null> {
  const [row] = await query<{ status: string; pid: number | null }>(
    database,
    "select status, pid from sensor_process",
  );
  return row?.status === "running" ? row.pid : null;
}

const waiting = { timeout: 20_000 };

test("a sensor on another worker is shown, and restarted there", { timeout: 180_000 }, async () => {
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
        finding: { state: "good", detail: expect.stringContaining("on worker there") },
      },
    },
  });
  expect(restart).toEqual({
    status: 200,
    body: { data: { ref: "fault.talker", worker_name: "there", restarted: true, state: "running" } },
  });
  await expect.poll(() => runningPid(database), waiting).toSatisfy((pid) => pid !== null && pid !== before);
});

test("when the owner dies, the worker that takes the sensor over answers", { timeout: 180_000 }, async () => {
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
  { timeout: 180_000 },
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
      body: { code: "CONFLICT", error: expect.stringContaining("is disabled") },
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
        ["logs", "GET"],
      ] as const) {
        const { status } = await ask(folder, `/sensors/${ref}/${path}`, method);
        expect([404, 422]).toContain(status);
      }
    }
  },
);

test("an agent on its own restarts its sensors", { timeout: 180_000 }, async () => {
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

test(
  "the log of a sensor on another worker is read and followed over rotation, a restart and a move",
  { timeout: 180_000 },
  async () => {
    await using fresh = await freshDatabase();
    const { database, url } = fresh;
    await addTalker(database);
    const settings = { lease_duration: 3, lease_renewal_interval: 0.5, log_bytes: 4_096, log_files: 3 };
    await using there = await folderOf(url, "there", settings);
    await using owner = await startAgent(there);
    await ready(owner, there);
    await expect.poll(() => runningPid(database), waiting).not.toBeNull();
    await using here = await folderOf(url, "here", settings);
    await using asked = await startAgent(here);
    await ready(asked, here);

    const last = await ask(here, "/sensors/fault.talker/logs?tail=5");
    expect(last).toMatchObject({
      status: 200,
      body: { data: { ref: "fault.talker", worker_name: "there" } },
    });
    const lastLines = last.body.data["lines"] as readonly Line[];
    expect(lastLines.length).toBeGreaterThan(0);
    expect(lastLines.length).toBeLessThanOrEqual(5);
    expect(Date.parse(lastLines.at(-1)?.time ?? "")).toBeGreaterThan(Date.now() - 60_000);

    const plain = await fetch(`${here.apiUrl}/api/v1/sensors/fault.talker/logs?tail=3&format=text`, {
      headers: await headersFor("viewer"),
    });
    expect(plain.headers.get("content-type")).toContain("text/plain");
    expect(await plain.text()).toMatch(/^(\d{4}-\d\d-\d\dT[\d:.]+Z .+\n){1,3}$/);

    await using following = follow(here, 1);
    const { lines } = following;
    const counted = (): number[] => [...spoken(lines).values()].map((numbers) => numbers.length);
    // More than one file holds.
    await expect.poll(() => counted()[0] ?? 0, { timeout: 30_000 }).toBeGreaterThan(120);
    expect((await ask(here, "/sensors/fault.talker/restart", "POST")).status).toBe(200);
    await expect.poll(() => counted()[1] ?? 0, waiting).toBeGreaterThan(10);
    owner.kill("SIGKILL");
    await owner.ended;
    await expect.poll(() => counted()[2] ?? 0, { timeout: 30_000 }).toBeGreaterThan(10);

    for (const numbers of spoken(lines).values()) expectInOrder(numbers);
    expect(new Set(lines.map((line) => line.worker_name))).toEqual(new Set(["there", "here"]));
    expect(lines.at(-1)?.worker_name).toBe("here");
  },
);

test("a followed log ends with the agent, and delays its stop by nothing", { timeout: 180_000 }, async () => {
  await using fresh = await freshDatabase();
  const { database, url } = fresh;
  await addTalker(database);
  await using folder = await folderOf(url, "alone", { log_to: "stderr" });
  await using agent = await startAgent(folder);
  await ready(agent, folder);
  await using following = follow(folder, 100);
  await expect.poll(() => following.lines.length, waiting).toBeGreaterThan(5);
  for (const numbers of spoken(following.lines).values()) expectInOrder(numbers);

  agent.kill("SIGTERM");

  await following.ended;
  expect(await agent.ended).toBe(0);
});

test(
  "a followed log ends soon after its token was revoked, and no other does",
  { timeout: 180_000 },
  async () => {
    await using fresh = await freshDatabase();
    const { database, url } = fresh;
    await addTalker(database);
    await using folder = await folderOf(url, "alone", { log_to: "stderr" });
    await using agent = await startAgent(folder);
    await ready(agent, folder, 60_000);
    await using following = follow(folder, 1, tokenFor("admin", {}, { jti: "to-be-revoked" }));
    await using other = follow(folder, 1);
    await expect.poll(() => Math.min(following.lines.length, other.lines.length), waiting).toBeGreaterThan(1);

    const revoked = await fetch(`${folder.apiUrl}/auth/token/to-be-revoked`, {
      method: "DELETE",
      headers: await headersFor("admin"),
    });

    expect(revoked.status).toBeLessThan(300);
    await following.ended;
    const count = other.lines.length;
    await expect.poll(() => other.lines.length, waiting).toBeGreaterThan(count);
  },
);
