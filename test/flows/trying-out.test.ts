/** What an operator tries out with stored events, on a running agent, from the command line. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { collectMessages, type MessageCollector } from "../support/message-collector.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { runCommand, type CommandResult } from "../support/run-command.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { headersFor } from "../support/tokens.ts";

const patient = { timeout: 20_000, interval: 50 };

const opened = new AsyncDisposableStack();
let fresh: FreshDatabase;
let folder: AgentFolder;
let collector: MessageCollector;

beforeAll(async () => {
  fresh = opened.use(await freshDatabase());
  const { database } = fresh;
  await insertTrigger(database, "garden.read");
  await query(
    database,
    `insert into event (trigger_ref, payload, created)
     select 'garden.read', jsonb_build_object('celsius', n, 'pot', n % 3), now() - interval '1 hour' + n * interval '1 minute'
       from generate_series(1, 50) as n`,
  );
  await query(database, "delete from outbox");
  await insertRule(database, {
    ref: "garden.hot",
    triggerRef: "garden.read",
    conditions: [{ field: "celsius", operator: "greater_than", value: 45 }],
    actionParams: { celsius: "{{ celsius }}" },
  });
  const vhost = opened.use(await freshVhost());
  collector = opened.use(await collectMessages(vhost.url, ["#"]));
  folder = opened.use(
    await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: vhost.url,
      packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
      workerName: "tried",
    }),
  );
  const running = opened.use(await startAgent(folder));
  await ready(running, folder, 60_000);
}, 180_000);

afterAll(() => opened.disposeAsync());

async function agent(...args: readonly string[]): Promise<CommandResult> {
  return await runCommand(["--config", folder.configPath, ...args]);
}

test("replayed messages name the event that they repeat, and the log says who replayed", async () => {
  const dry = await agent("events", "replay", "--since", "2h", "--rule", "garden.hot", "--dry-run");
  expect(dry).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("5 enforcements would be stored") as string,
  });

  const real = await agent("events", "replay", "--since", "2h", "--trigger", "garden.read");
  expect(real.stdout).toMatch(/event 46: garden\.hot: enforcement \d+\n/);
  expect(real.stdout).toContain("50 events read: 5 enforcements stored, 45 with nothing missing\n");
  expect((await agent("events", "replay", "50", "--force", "--dry-run")).stdout).toBe(
    "event 50: would be stored anew, matching garden.hot\n" +
      "1 event read: 1 enforcement would be stored, 1 event would be stored anew, 0 with nothing missing\n",
  );
  const forced = await agent("events", "replay", "50", "--force", "--format", "json");
  expect(JSON.parse(forced.stdout.split("\n")[0] ?? "")).toMatchObject({ event: 50, outcome: "stored" });

  await expect.poll(() => messages("EnforcementCreated").length, patient).toBe(6);
  await expect.poll(() => messages("EventCreated").length, patient).toBe(1);
  for (const { headers, payload } of messages("EnforcementCreated")) {
    const { event_id: eventId, config } = payload as { readonly event_id: string; readonly config: object };
    const isCopy = Number(eventId) > 50;
    expect(headers.replayed_from).toBe(isCopy ? "50" : eventId);
    expect(config).toEqual({ celsius: isCopy ? 50 : Number(eventId) });
  }
  expect(messages("EventCreated")[0]?.headers.replayed_from).toBe("50");
  const log = await readFile(folder.logPath, "utf8");
  expect(log).toMatch(/replays events/);
  expect(log).toMatch(/is complete/);
});

test("a replay is for admins, and says what is wrong with it", async () => {
  const replay = async (role: "admin" | "viewer", body: object) => {
    const headers = { ...(await headersFor(role)), "content-type": "application/json" };
    const url = `${folder.apiUrl}/api/v1/events/replay`;
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: response.status, body: await response.text() };
  };

  expect(await replay("viewer", { since: "1h" })).toMatchObject({ status: 403 });
  expect(await replay("admin", {})).toMatchObject({ status: 422 });
  expect(await replay("admin", { since: "soon" })).toMatchObject({ status: 422 });
  expect(await replay("admin", { since: "1h", until: "2h" })).toMatchObject({ status: 422 });
  expect(await replay("admin", { since: "1h", rule: "garden.hott" })).toMatchObject({
    status: 422,
    body: expect.stringContaining("garden.hott does not exist") as string,
  });
  expect(await agent("events", "replay", "--since", "2h", "--rule", "garden.hott")).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringContaining(
      ": rule garden.hott does not exist; did you mean garden.hot? [API_REFUSED]",
    ) as string,
  });
  expect(await agent("events", "replay")).toMatchObject({ code: 2 });
  expect(await agent("events", "replay", "1", "--rate", "1001")).toMatchObject({ code: 2 });
  expect(await agent("events", "replay", "999999")).toMatchObject({
    code: 1,
    stdout: expect.stringContaining("event 999999: skipped: it does not exist") as string,
  });
});

test("a back-test says what a draft would have caught and missed, and closes gates", async () => {
  const draft =
    'conditions=[{"field": "celsius", "operator": "greater_than", "value": 40}, {"field": "pot", "operator": "equals", "value": 0}]';
  const asText = await agent("rules", "backtest", "garden.hot", "--since", "2h", "--set", draft);
  expect(asText).toMatchObject({ code: 0 });
  expect(asText.stdout).toMatch(
    /^garden\.hot: 3 of 50 events match \(6\.00 %\)\nthe live rule matches 5\nwould also catch 2: events 42, 45\nwould miss 4: events 46, 47, 49, 50\n0 with other parameters\n\d{4}-/,
  );

  const gated = await agent(
    "rules",
    "backtest",
    "garden.hot",
    "--since",
    "2h",
    "--set",
    'action_params={"c": "{{ celsius }}"}',
    "--fail-if",
    "missed>0",
    "--fail-if",
    "changed>4",
    "--format",
    "json",
  );
  expect(gated).toMatchObject({ code: 1, stderr: "failed: changed>4 (changed is 5)\n" });
  expect(JSON.parse(gated.stdout)).toMatchObject({
    live: "enabled",
    counts: { events: 50, hits: 5, live_hits: 5, caught: 0, missed: 0, changed: 5 },
    bucket_seconds: 300,
    changed: expect.arrayContaining([{ event: 46, draft: { c: 46 }, live: { celsius: 46 } }]) as unknown,
    failed: ["changed>4"],
  });
  expect(await agent("rules", "backtest", "garden.hot", "--since", "2h", "--fail-if", "hit>1")).toMatchObject(
    {
      code: 2,
      stderr: expect.stringContaining("did you mean hits?") as string,
    },
  );
  expect(await agent("rules", "backtest", "garden.cold", "--since", "2h")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(": rule garden.cold does not exist;") as string,
  });
  for (const set of ["trigger_ref=garden.read", 'trigger_ref="garden.read"']) {
    expect(await agent("rules", "backtest", "garden.hot", "--since", "2h", "--set", set)).toMatchObject({
      stdout: expect.stringContaining("garden.hot: 5 of 50 events match") as string,
    });
  }
});

// Goal: the decisions of a back-test are those that were made when the events were stored.
// Method: random conditions of one rule change while events are posted; each time, the live rule is back-tested against the
// enforcements that it made, over its own lifetime.
test("back-testing the live rule over its own lifetime gives exactly its enforcements", async () => {
  const { database } = fresh;
  const seeded = seededRandom();
  const random = (): number => seeded.next();
  await insertTrigger(database, "garden.live");
  await insertRule(database, { ref: "garden.live", triggerRef: "garden.live" });
  await insertRule(database, { ref: "garden.other", triggerRef: "garden.live" });
  const post = async (): Promise<void> => {
    const events = Array.from({ length: 200 }, () => ({
      trigger_ref: "garden.live",
      payload: {
        celsius: Math.floor(random() * 40),
        pot: random() < 0.5 ? "a" : "b",
        deep: { n: [random()] },
      },
      ...(random() < 0.1
        ? { trigger_instance_id: random() < 0.5 ? "rule_garden.live" : "rule_garden.other" }
        : {}),
    }));
    const headers = { ...(await headersFor("admin")), "content-type": "application/json" };
    const url = `${folder.apiUrl}/api/v1/events`;
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(events) });
    expect(response.status).toBe(201);
  };
  for (let round = 0; round < 3; round += 1) {
    const conditions = {
      any: [
        { field: "celsius", operator: "greater_than", value: Math.floor(random() * 40) },
        { not: { field: "pot", operator: "equals", value: "a" } },
        { field: "deep.n[0]", operator: "less_than", value: random() / 2 },
      ].slice(round % 3),
    };
    const earlier = post();
    await query(database, "update rule set conditions = $1 where ref = 'garden.live'", [
      JSON.stringify(conditions),
    ]);
    await earlier;
    await post();

    const tested = await agent(
      "rules",
      "backtest",
      "garden.live",
      "--since",
      "change",
      "--against",
      "stored",
      "--format",
      "json",
      "--fail-if",
      "caught>0",
      "--fail-if",
      "missed>0",
      "--fail-if",
      "events<200",
    );
    expect(tested).toMatchObject({ code: 0 });
    expect(JSON.parse(tested.stdout)).toMatchObject({ counts: { caught: 0, missed: 0 } });
  }
}, 180_000);

function messages(type: "EventCreated" | "EnforcementCreated") {
  return [...collector.messages.values()].filter(({ message_type }) => message_type === type);
}
