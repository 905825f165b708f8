/** Back-tests over the API: of a rule in a file, one at a time, and how they end early. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Backtests } from "../../src/rules/backtest/backtests.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { apiOn, type DefinitionsApi } from "../support/definitions-api.ts";
import { demoPack, packFolder } from "../support/pack-folder.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";
import { runCommand } from "../support/run-command.ts";

/** The thread has a low priority, so it takes long to start beside other tests. */
const patient = { timeout: 60_000, interval: 20 };
const limit = { timeout: 200_000 };
const applicationName = "tried back-test";

const opened = new AsyncDisposableStack();
let fresh: FreshDatabase;
let api: DefinitionsApi;

beforeAll(async () => {
  fresh = opened.use(await freshDatabase());
  const { database, url } = fresh;
  const reader = { url, tls: {}, schema: "attune", applicationName, statementMs: 600_000 };
  const backtests = new Backtests({ database, reader: () => reader, clock: systemClock });
  api = opened.use(
    await apiOn(database, { backtests: { backtests, clock: systemClock, logger: silentLogger } }),
  );
  await insertTrigger(database, "demo.tick");
  await insertRule(database, {
    ref: "demo.hot",
    triggerRef: "demo.tick",
    conditions: [{ field: "celsius", operator: "greater_than", value: 45 }],
  });
  await query(
    database,
    `insert into event (trigger_ref, payload, created)
     select 'demo.tick', jsonb_build_object('celsius', n), now() - interval '1 hour' + n * interval '1 minute'
       from generate_series(1, 50) as n`,
  );
});

afterAll(() => opened.disposeAsync());

test("the draft may be a rule's file, stored or not", limit, async () => {
  const { "rules/noted.yaml": _, ...withoutRules } = demoPack;
  const ruleFile = (ref: string): string =>
    `ref: ${ref}\ntrigger: tick\naction: note\nconditions: { field: celsius, operator: greater_than, value: 40 }\n`;
  await using pack = await packFolder({
    ...withoutRules,
    "rules/hot.yaml": ruleFile("hot"),
    "rules/new.yaml": ruleFile("new"),
  });
  const backtest = async (file: string) =>
    await runCommand(
      ["rules", "backtest", join(pack.directory, file), "--since", "2h", "--api", api.address],
      { ATTUNE_API_TOKEN: "viewer" },
    );

  const stored = await backtest("rules/hot.yaml");
  expect(stored).toMatchObject({ code: 0 });
  expect(stored.stdout).toContain(
    "10 of 50 events match (20.0 %)\nthe live rule matches 5\nwould also catch 5: events 41, 42, 43, 44, 45\nwould miss 0\n",
  );
  const unstored = await backtest("rules/new.yaml");
  expect(unstored.stdout).toContain(
    "10 of 50 events match (20.0 %)\nthere is no stored rule to compare with\n",
  );
});

test("a misspelt trigger, a missing file and a closed gate are the first line", limit, async () => {
  const backtest = async (...args: string[]) =>
    await runCommand(["rules", "backtest", ...args, "--since", "2h", "--api", api.address], {
      ATTUNE_API_TOKEN: "viewer",
    });

  const misspelt = await backtest("demo.hot", "--set", "trigger_ref=demo.tik");
  expect(misspelt).toMatchObject({ code: 1, stdout: "" });
  expect(misspelt.stderr).toContain("trigger_ref demo.tik does not exist");
  const missing = await backtest("packs/nowhere.yaml");
  expect(missing).toMatchObject({ code: 1, stdout: "" });
  expect(missing.stderr).toContain("could not read the rule in packs/nowhere.yaml: it does not exist");
  const gated = await backtest("demo.hot", "--fail-if", "hits>3");
  expect(gated).toMatchObject({ code: 1, stderr: "failed: hits>3 (hits is 5)\n" });
});

// Goal: a caller that goes away leaves neither a thread nor a statement behind.
// Method: a lock on the table keeps the back-test's first statement waiting for as long as the test wants.
test("only one runs at once, and a closed connection ends its thread and its statement", limit, async () => {
  const blocker = await fresh.connect();
  await using lock = new AsyncDisposableStack();
  await blocker.query("begin");
  lock.defer(async () => void (await blocker.query("rollback")));
  await blocker.query("lock table event in access exclusive mode");
  const waiting = async (): Promise<number> => {
    // Not in the blocker's transaction, which would see the same activity each time.
    const [row] = await query<{ count: number }>(
      fresh.database,
      "select count(*)::int as count from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'",
      [applicationName],
    );
    return row?.count ?? 0;
  };
  const request = { rule: "demo.hot", since: "2h" };
  const caller = new AbortController();
  const first = fetch(`${api.address}/api/v1/rules/backtest`, {
    method: "POST",
    headers: { authorization: "Bearer admin", "content-type": "application/json" },
    body: JSON.stringify(request),
    signal: caller.signal,
  }).then(
    () => "answered",
    () => "aborted",
  );
  await expect.poll(waiting, patient).toBe(1);

  const { status, body } = await api.call("POST", "/rules/backtest", { body: request });
  expect({ status, body }).toMatchObject({
    status: 429,
    body: { error: "A back-test is running on this agent already." },
  });

  caller.abort();
  expect(await first).toBe("aborted");
  await expect.poll(waiting, patient).toBe(0);
  await lock.disposeAsync();
  // Its place is free once its thread has ended.
  const again = async () => await api.call("POST", "/rules/backtest", { body: request });
  await expect.poll(async () => (await again()).status, patient).toBe(200);
});
