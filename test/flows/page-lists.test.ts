/**
 * Goal: lists on the page end where the list ends, not at its first page, and what is shown stays where it is.
 * Method: an agent whose database holds more than 250 of everything, and a browser that is driven with the keyboard.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundlePage, sourcesPageFolder, writePage } from "../../build/page/bundle-page.ts";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, ready, startAgent, type AgentFolder } from "../support/agent-process.ts";
import { startBrowser, type OpenPage } from "../support/browser.ts";
import { insertRule, insertSensor, insertTrigger, insertWorker, query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";

const count = 260;
const scope = new AsyncDisposableStack();
let fresh: FreshDatabase;
let folder: AgentFolder;
let opened: OpenPage;

beforeAll(async () => {
  await writePage(await bundlePage(repositoryRoot), sourcesPageFolder(repositoryRoot));
  fresh = scope.use(await freshDatabase());
  await addRows();
  folder = scope.use(
    await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: undefined,
      packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
      workerName: "north",
    }),
  );
  const environment = { ATTUNE__SECURITY__DEVELOPMENT: "true" };
  const agent = scope.use(await startAgent(folder, { environment }));
  const browser = scope.use(await startBrowser());
  await ready(agent, folder);
  opened = scope.use(await browser.open(folder.apiUrl));
  await opened.page.getByRole("heading", { name: "Overview" }).waitFor();
});

afterAll(() => scope.disposeAsync());

/** More than two pages of everything; nothing of it runs. */
async function addRows(): Promise<void> {
  const { database } = fresh;
  await query(database, "insert into action (ref) values ('core.noop') on conflict do nothing");
  await insertTrigger(database, "orchard.apple");
  await insertSensor(database, { ref: "orchard.s000", triggerRef: "orchard.apple" });
  await insertRule(database, { ref: "orchard.r000", triggerRef: "orchard.apple", enabled: false });
  await insertWorker(database, { name: "old000", instance: randomUUID(), leaseSeconds: -60 });
  await insertMany(
    `insert into sensor (ref, pack_ref, entrypoint, runtime_ref, trigger, trigger_ref, protocol)
     select 'orchard.s' || nnn, pack_ref, entrypoint, runtime_ref, trigger, trigger_ref, protocol
       from sensor, numbers where ref = 'orchard.s000'`,
    `insert into rule (ref, action_ref, trigger, trigger_ref, enabled)
     select 'orchard.r' || nnn, action_ref, trigger, trigger_ref, false from rule, numbers where ref = 'orchard.r000'`,
    // The first by its next fire is the last by its ref.
    `insert into rule (ref, label, action_ref, trigger, trigger_ref, trigger_params)
     select 'orchard.t' || nnn, 'Timer', 'core.noop', id, ref,
            jsonb_build_object('expression', case when n = ${count} then '* * * * *' else '30 2 29 2 *' end)
       from trigger, numbers where ref = 'core.crontimer'`,
    `insert into worker (name, worker_type, worker_role, status)
     select 'old' || nnn, 'local', 'sensor', 'inactive' from numbers`,
    `insert into event (trigger, trigger_ref, payload, created)
     select id, ref, '{}', now() - n * interval '1 minute' from trigger, numbers where ref = 'orchard.apple'`,
    `insert into enforcement (rule, rule_ref, trigger_ref, event, config, payload, condition, conditions, created)
     select rule.id, rule.ref, 'orchard.apple', (select max(id) from event), '{}', '{}', 'all', '[]', now() - n * interval '1 s'
       from rule, numbers where rule.ref = 'orchard.r' || nnn`,
    `insert into webhook_delivery (verdict, method, status, worker_name, created)
     select 'accepted', 'POST', 202, 'north', now() - n * interval '1 minute' from numbers`,
    `insert into sensor_gap (sensor, sensor_ref, cause, from_worker, to_worker, began_at, ended_at, created)
     select id, ref, 'lost', 'w1', 'w2', now() - n * interval '1 minute', now() - n * interval '1 minute' + interval '8 s',
            now() - n * interval '1 minute'
       from sensor, numbers where ref = 'orchard.s' || nnn`,
  );
}

async function insertMany(...texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    const numbers = `(select n, to_char(n, 'FM000') as nnn from generate_series(1, ${count}) as n) as numbers`;
    await query(
      fresh.database,
      text.replace("numbers", () => numbers),
    );
  }
}

async function show(path: string, heading: string): Promise<void> {
  await opened.page.goto(`${folder.apiUrl}/ui/#/${path}`);
  await opened.page.getByRole("heading", { name: heading, level: 1 }).waitFor();
}

interface Entry {
  readonly text: string;
  /** Pixels from the top of the page. */
  readonly top: number;
}

async function entries(selector: string): Promise<readonly Entry[]> {
  return await opened.page.locator(selector).evaluateAll((rows) =>
    rows.map((row) => ({
      text: (row.querySelector("a") ?? row).textContent ?? "",
      top: Math.round(
        row.getBoundingClientRect().top - row.ownerDocument.documentElement.getBoundingClientRect().top,
      ),
    })),
  );
}

/** Presses "Show more" with the keyboard until there is no more. */
async function readOn(selector: string, first: number): Promise<readonly string[]> {
  const { page } = opened;
  const shown = async (): Promise<number> => (await entries(selector)).length;
  await expect.poll(shown, { timeout: 15_000 }).toBe(first);
  const button = page.getByRole("button", { name: "Show more" });
  await button.focus();
  while ((await button.count()) > 0) {
    const before = await entries(selector);
    await page.keyboard.press("Enter");
    await expect.poll(shown, { timeout: 15_000 }).toBeGreaterThan(before.length);
    expect((await entries(selector)).slice(0, before.length)).toEqual(before);
    await expect
      .poll(() => page.evaluate("document.activeElement?.textContent"))
      .toMatch(/^(Show more|All [\d,]+ are shown)$/);
  }
  return (await entries(selector)).map(({ text }) => text);
}

const rows = "main tbody tr";

test.each([
  { path: "events?trigger=orchard.apple", heading: "Events", first: 50 },
  { path: "deliveries", heading: "Deliveries", first: 100 },
  { path: "rules?trigger=orchard.apple", heading: "Rules", first: 100 },
  { path: "sensors", heading: "Sensors", first: 100 },
  { path: "events/EVENT", heading: "Event EVENT", first: 100 },
])("$path goes on to its end with the keyboard, and nothing jumps", { timeout: 180_000 }, async (list) => {
  const [event] = await query<{ id: string }>(
    fresh.database,
    "select max(id)::text as id from event where trigger_ref = 'orchard.apple'",
  );
  const named = (text: string): string => text.replace("EVENT", event?.id ?? "");
  await show(named(list.path), named(list.heading));

  const texts = await readOn(rows, list.first);

  expect(texts.length).toBeGreaterThanOrEqual(count);
  expect(new Set(texts).size).toBe(list.heading === "Deliveries" ? new Set(texts).size : texts.length);
});

test("failovers go on below, on the overview and a sensor's own view", async () => {
  await show("overview", "Overview");
  const gaps = 'section[aria-label="Failovers and gaps"] [role=listitem]';
  await expect.poll(async () => (await entries(gaps)).length).toBe(6);
  const before = await entries(gaps);
  await opened.page.getByRole("button", { name: "Show more" }).press("Enter");
  await expect.poll(async () => (await entries(gaps)).length).toBe(12);
  const texts = (all: readonly Entry[]): readonly string[] => all.map(({ text }) => text);
  expect(texts(await entries(gaps)).slice(0, 6)).toEqual(texts(before));
  await opened.page.getByText(`12 of ${count} shown`).waitFor();

  await show("sensors/orchard.s007", "orchard.s007");
  await opened.page
    .getByText(/^orchard.s007 moved from w1 to w2 at .*, because w1 was lost; nobody ran it for up to 8 s$/)
    .waitFor();
});

test("a sensor's own view shows the events that were refused because its worker had lost it", async () => {
  await query(
    fresh.database,
    `insert into sensor_process (sensor, status, fenced_events, fenced_since, fenced_at, fenced_worker)
     select id, 'stopped', 3, now() - interval '2 hours', now() - interval '1 hour', 'w1' from sensor where ref = 'orchard.s008'`,
  );
  await show("sensors/orchard.s008", "orchard.s008");
  await opened.page.getByText("3 events 1 h ago").waitFor();
  await opened.page.getByText(/^Worker w1 had lost the sensor to another one; the first at /).waitFor();

  await show("sensors/orchard.s007", "orchard.s007");
  await opened.page.getByText("Protocol").waitFor();
  expect(await opened.page.getByText("Refused", { exact: true }).count()).toBe(0);
});

test("the next timer is the first, and a stopped worker is listed, wherever their page would be", async () => {
  await show("timers", "Timers");
  await expect.poll(async () => (await entries(rows)).length, { timeout: 15_000 }).toBe(count);
  expect((await entries(rows))[0]?.text).toBe(`orchard.t${count}`);

  await show("workers", "Workers");
  await opened.page.getByText(`old${count}`, { exact: true }).waitFor();
});

test("a text is looked for on all pages, and filters offer what is on all of them", async () => {
  const { page } = opened;
  await show("rules", "Rules");
  await page.getByLabel("Text").fill(`r${count}`);
  await page.getByRole("link", { name: `orchard.r${count}` }).waitFor();
  expect(await entries(rows)).toHaveLength(1);

  await show("events", "Events");
  await expect
    .poll(() => page.locator("option", { hasText: `orchard.s${count}` }).count(), { timeout: 15_000 })
    .toBe(1);
});

test("a sensor that has failed comes first, and is named on the overview, although it is on the last page", async () => {
  const { page } = opened;
  const place = "select id from sensor where ref = 'orchard.s260'";
  await query(
    fresh.database,
    `insert into sensor_process (sensor, status, reason) values ((${place}), 'failed', 'it exited with code 9')
     on conflict (sensor) do update set status = 'failed'`,
  );
  await show("sensors", "Sensors");
  await expect.poll(async () => (await entries(rows))[0]?.text, { timeout: 15_000 }).toBe("orchard.s260");
  await show("overview", "Overview");
  await page.getByText("Sensor orchard.s260 has failed").first().waitFor();
  expect(opened.complaints).toEqual([]);
});
