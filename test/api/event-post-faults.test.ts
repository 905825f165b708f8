/**
 * Goal: whatever happens to the database and the agent, 201 means that the event is stored, 503 that it is not and never
 * will be, and 504 that nobody knows; nothing is stored twice.
 * Method: a real PostgreSQL behind a proxy that misbehaves, or several agents at once.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { openRig, type PipelineRig } from "../events/pipeline-rig.ts";
import { startFaultProxy, type FaultProxy } from "../support/fault-proxy.ts";
import { query } from "../support/platform-rows.ts";
import { openPostingApi, type Posted, type PostingApi } from "../support/posting-api.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { holdTrigger } from "../support/held-trigger.ts";

interface ProxiedApi extends AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly posting: PostingApi;
}

async function openProxied(rig: PipelineRig, waitMs: number): Promise<ProxiedApi> {
  const stack = new AsyncDisposableStack();
  const url = new URL(rig.fresh.url);
  const proxy = stack.use(
    await startFaultProxy({ targetHost: url.hostname, targetPort: Number(url.port || 5432) }),
  );
  url.hostname = "127.0.0.1";
  url.port = String(proxy.port);
  const database = stack.use(
    await openPostgresql({
      url: url.href,
      connectTimeoutMs: 500,
      queryTimeoutMs: 1_500,
      logger: silentLogger,
    }),
  );
  const posting = stack.use(await openPostingApi(rig, { database, sourcesDatabase: database, waitMs }));
  return { proxy, posting, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function storedNumbers(rig: PipelineRig): Promise<readonly number[]> {
  const rows = await query<{ n: number }>(
    rig.database,
    "select (payload->>'n')::int as n from event order by id",
  );
  return rows.map(({ n }) => n);
}

function expectTruth(answers: ReadonlyMap<number, Posted>, stored: readonly number[]): void {
  expect(new Set(stored).size).toBe(stored.length);
  for (const [n, { status }] of answers) {
    expect([201, 503, 504]).toContain(status);
    if (status !== 504)
      expect({ n, status, isStored: stored.includes(n) }).toEqual({ n, status, isStored: status === 201 });
  }
}

test("without a database a post is 503 after the limit, and is not stored once it is back", async () => {
  await using rig = await openRig();
  await using proxied = await openProxied(rig, 600);
  const { proxy, posting } = proxied;
  await posting.post({ trigger_ref: "demo.tick", payload: { n: 0 } });
  proxy.refuse();

  const lost = await Promise.all(
    [1, 2, 3].map((n) => posting.post({ trigger_ref: "demo.tick", payload: { n } })),
  );
  proxy.resume();
  const later = await posting.post({ trigger_ref: "demo.tick", payload: { n: 4 } });

  expect(lost).toMatchObject(
    [1, 2, 3].map(() => ({ status: 503, retryAfter: "5", body: { code: "UNAVAILABLE" } })),
  );
  expect(later.status).toBe(201);
  expect(await storedNumbers(rig)).toEqual([0, 4]);
});

test("an outage shorter than the limit is not noticed", async () => {
  await using rig = await openRig();
  await using proxied = await openProxied(rig, 8_000);
  const { proxy, posting } = proxied;
  await posting.post({ trigger_ref: "demo.tick", payload: { n: 0 } });
  proxy.refuse();

  const waiting = posting.post({ trigger_ref: "demo.tick", payload: { n: 1 } });
  await expect.poll(() => posting.running.pipeline.health().state, { timeout: 20_000 }).toBe("down");
  proxy.resume();

  expect((await waiting).status).toBe(201);
  expect(await storedNumbers(rig)).toEqual([0, 1]);
});

// The statement is at the server, which answers nobody: it may still be carried out.
test("a post is 504 when its commit is in doubt, and with a dedup_key it is stored once when it is repeated", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig, { waitMs: 300 });
  const event = { trigger_ref: "demo.tick", payload: { n: 1 }, dedup_key: "k" };
  const holder = await rig.fresh.connect();
  await holder.query("begin");
  await holder.query(holdTrigger("demo.tick"));

  const doubtful = await posting.post(event);
  await holder.query("commit");
  const repeated = await posting.post(event);

  expect(doubtful).toMatchObject({ status: 504, retryAfter: "5", body: { code: "OUTCOME_UNKNOWN" } });
  expect(repeated).toMatchObject({ status: 200, body: { data: { deduplicated: true } } });
  expect(await rig.countOf("event")).toBe(1);
});

test("while connections break at random, every answer is true", async () => {
  await using rig = await openRig();
  await using proxied = await openProxied(rig, 700);
  const { proxy, posting } = proxied;
  const random = seededRandom();
  const answers = new Map<number, Posted>();
  const over = new AbortController();
  const faults = (async () => {
    // A post in doubt is answered only after 2.7 s, so that 25 rounds can be over with few answers.
    for (let round = 0; round < 25 || answers.size <= 20; round += 1) {
      await sleep(20 + random.next() * 60);
      const fate = random.next();
      if (fate < 0.5) proxy.cut();
      else if (fate < 0.8) {
        proxy.refuse();
        await sleep(random.next() * 900);
        proxy.resume();
      } else proxy.abandon();
    }
    over.abort();
  })();
  let next = 0;
  const clients = Array.from({ length: 8 }, async () => {
    while (!over.signal.aborted) {
      next += 1;
      const n = next;
      answers.set(n, await posting.post({ trigger_ref: "demo.tick", payload: { n } }));
    }
  });
  await Promise.all([faults, ...clients]);
  // What is in doubt is settled when the pipeline has ended.
  await posting[Symbol.asyncDispose]();

  expect(answers.size).toBeGreaterThan(20);
  expectTruth(answers, await storedNumbers(rig));
});

test("ten agents serve one sensor's posts at once, and lose and double nothing", async () => {
  await using rig = await openRig({ connectionsMax: 20 });
  await using stack = new AsyncDisposableStack();
  const agents: PostingApi[] = [];
  for (let agent = 0; agent < 10; agent += 1)
    agents.push(stack.use(await openPostingApi(rig, { waitMs: 20_000 })));

  // Each number is posted to two agents, with the same key.
  const answers = await Promise.all(
    Array.from({ length: 400 }, async (_, index) => {
      const n = index >> 1;
      const agent = agents[(index * 7) % agents.length];
      const event = { trigger_ref: "demo.tick", payload: { n }, dedup_key: `k${n}`, checkpoint: n };
      return { n, answer: await agent?.post(event) };
    }),
  );

  expect((await storedNumbers(rig)).toSorted((one, other) => one - other)).toEqual(
    Array.from({ length: 200 }, (_, n) => n),
  );
  for (const pair of Map.groupBy(answers, ({ n }) => n).values()) {
    expect(pair.map(({ answer }) => answer?.status)).toEqual(expect.arrayContaining([200, 201]));
    expect(new Set(pair.map(({ answer }) => answer?.body.data?.["id"])).size).toBe(1);
  }
});

// Each agent holds a block of ids; the second one's are above the first one's.
test("a checkpoint moves on when a sensor posts to one agent and then to another", async () => {
  await using rig = await openRig({ connectionsMax: 20 });
  await using one = await openPostingApi(rig);
  await using other = await openPostingApi(rig);
  const event = (checkpoint: number) => ({
    trigger_ref: "demo.tick",
    payload: { n: checkpoint },
    checkpoint,
  });

  await one.post(event(1));
  await other.post(event(2));
  await one.post(event(3));
  await one.post({ checkpoint: 4 });
  await other.post(event(5));
  const [stored] = await query<{ value: unknown }>(rig.database, "select value from sensor_checkpoint");

  expect(stored?.value).toBe(5);
  await one.post({ checkpoint: 6 });
  expect(await query(rig.database, "select value from sensor_checkpoint")).toEqual([{ value: 6 }]);
});

test("when the agent stops, every client is told the truth", async () => {
  await using rig = await openRig();
  const posting = await openPostingApi(rig);
  const answers = new Map<number, Posted>();
  let broken = 0;
  let next = 0;
  const stopped = new AbortController();
  const clients = Array.from({ length: 16 }, async () => {
    while (!stopped.signal.aborted) {
      next += 1;
      const n = next;
      try {
        answers.set(n, await posting.post({ trigger_ref: "demo.tick", payload: { n } }));
      } catch {
        // Nobody listens any more, or the connection was closed before the request was read.
        broken += 1;
        expect(await storedNumbers(rig)).not.toContain(n);
      }
    }
  });
  await expect.poll(() => answers.size, { timeout: 20_000 }).toBeGreaterThan(100);
  await posting[Symbol.asyncDispose]();
  stopped.abort();
  await Promise.all(clients);

  expectTruth(answers, await storedNumbers(rig));
  expect([...answers.values()].filter(({ status }) => status === 201).length).toBeGreaterThan(100);
  expect(broken).toBeGreaterThan(0);
});

test("posts beyond the room are 503 at once, and one caller alone gets half of it", async () => {
  await using rig = await openRig();
  await using posting = await openPostingApi(rig, {
    room: { eventsMax: 10, bytesMax: 1_000_000 },
    waitMs: 20_000,
  });
  const holder = await rig.fresh.connect();
  await holder.query("begin");
  await holder.query(holdTrigger("demo.tick"));
  const post = (token: string, n: number): Promise<Posted> =>
    posting.post({ trigger_ref: "demo.tick", payload: { n } }, token);

  const ofSensor = Array.from({ length: 8 }, (_, n) => post("sensor", n));
  const refused = await Promise.race(ofSensor);
  const ofAdmin = post("admin", 100);
  await holder.query("commit");
  const statuses = (await Promise.all(ofSensor)).map(({ status }) => status);

  expect(refused).toMatchObject({ status: 503, retryAfter: "5" });
  expect(statuses.filter((status) => status === 201)).toHaveLength(5);
  expect((await ofAdmin).status).toBe(201);
  expect(await rig.countOf("event")).toBe(6);
});
