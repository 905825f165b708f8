/**
 * The page in a real browser, with a running agent behind it.
 *
 * One agent and one browser for all tests: a thermometer that emits, a gate that a test breaks, rules that match some of
 * their events, a nightly timer, and a second worker's row.
 */
import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundlePage, sourcesPageFolder, writePage } from "../../build/page/bundle-page.ts";
import { repositoryRoot } from "../../scripts/repository.ts";
import { hashPassword } from "../../src/identity/password-hash.ts";
import {
  agentFolder,
  ready,
  startAgent,
  type AgentFolder,
  type AgentProcess,
} from "../support/agent-process.ts";
import { barriers, startBrowser, type OpenPage, type TestBrowser } from "../support/browser.ts";
import { insertRule, insertSensor, insertTrigger, insertWorker, query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";

const scope = new AsyncDisposableStack();
const passwords = { ada: "correct horse battery staple", vic: "staple battery horse correct" };
let fresh: FreshDatabase;
let folder: AgentFolder;
let agent: AgentProcess;
let browser: TestBrowser;
let admin: OpenPage;

beforeAll(async () => {
  await writePage(await bundlePage(repositoryRoot), sourcesPageFolder(repositoryRoot));
  fresh = scope.use(await freshDatabase());
  folder = scope.use(
    await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: undefined,
      packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
      workerName: "north",
      sensor: { max_restart_attempts: 1 },
    }),
  );
  await addOrchard();
  const starting = startAgent(folder);
  browser = scope.use(await startBrowser());
  agent = await starting;
  scope.defer(async () => agent[Symbol.asyncDispose]());
  await ready(agent, folder);
  admin = scope.use(await logIn("ada"));
});

afterAll(() => scope.disposeAsync());

async function addOrchard(): Promise<void> {
  const { database } = fresh;
  await query(database, "insert into action (ref) values ('core.noop') on conflict do nothing");
  await insertTrigger(database, "orchard.temperature");
  await insertTrigger(database, "orchard.passage");
  await insertSensor(database, sensorRow("orchard.thermometer", "orchard.temperature", "thermometer.sh"));
  await insertSensor(database, sensorRow("orchard.gate", "orchard.passage", "gate.sh"));
  await query(
    database,
    "update sensor set config = jsonb_build_object('broken', $1::text) where ref = 'orchard.gate'",
    [brokenPath()],
  );
  await insertRule(database, {
    ref: "orchard.frost",
    triggerRef: "orchard.temperature",
    conditions: [{ field: "celsius", operator: "less_than", value: 0 }],
    actionParams: { text: "Frost: {{ payload.celsius }} °C" },
  });
  await insertRule(database, { ref: "orchard.count", triggerRef: "orchard.passage" });
  await insertTrigger(database, "orchard.flood");
  await insertSensor(database, sensorRow("orchard.flood", "orchard.flood", "flood.sh"));
  await insertRule(database, { ref: "orchard.flood", triggerRef: "orchard.flood", enabled: false });
  await query(
    database,
    `insert into rule (ref, label, action_ref, trigger, trigger_ref, trigger_params)
     select 'orchard.nightly_report', 'Nightly report', 'core.noop', id, ref,
            '{"expression": "30 2 * * *", "timezone": "Europe/Berlin"}'
       from trigger where ref = 'core.crontimer'`,
  );
  await insertWorker(database, {
    name: "south",
    instance: randomUUID(),
    runtimes: ["perl"],
    leaseSeconds: 3_600,
  });
  for (const [login, role] of [
    ["ada", "admin"],
    ["vic", "viewer"],
  ] as const) {
    await query(database, "insert into identity (login, role, password_hash) values ($1, $2, $3)", [
      login,
      role,
      await hashPassword(passwords[login]),
    ]);
  }
}

function sensorRow(ref: string, triggerRef: string, entrypoint: string) {
  return { ref, triggerRef, entrypoint, runtimeRef: "core.sensor.shell" };
}

function brokenPath(): string {
  return join(folder.path, "broken");
}

async function logIn(login: keyof typeof passwords): Promise<OpenPage> {
  const opened = await browser.open(folder.apiUrl);
  await enter(opened.page, login, passwords[login]);
  await opened.page.getByRole("heading", { name: "Overview" }).waitFor();
  return opened;
}

async function enter(page: OpenPage["page"], login: string, password: string): Promise<void> {
  await page.getByLabel("Login", { exact: true }).fill(login);
  await page.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
}

/** The id of the thermometer's first event with that temperature. */
async function eventAt(celsius: string): Promise<string> {
  const text = `select id from event where trigger_ref = 'orchard.temperature' and payload ->> 'celsius' = $1
                 order by id limit 1`;
  const stored = (): Promise<readonly { id: string }[]> => query(fresh.database, text, [celsius]);
  await expect.poll(async () => (await stored()).length, { timeout: 15_000 }).toBe(1);
  return (await stored())[0]?.id ?? "";
}

/** Shows a view of the admin's page. */
async function show(path: string, heading: string): Promise<void> {
  await admin.page.goto(`${folder.apiUrl}/ui/#/${path}`);
  await admin.page.getByRole("heading", { name: heading, level: 1 }).waitFor();
}

/** Waits until everything that the view reads is there. */
async function loaded(): Promise<void> {
  await expect.poll(() => admin.page.locator(".loading").count(), { timeout: 15_000 }).toBe(0);
}

test("a browser that asks for / gets the page, under a policy without exceptions, once", async () => {
  const asBrowser = { headers: { accept: "text/html,*/*" } };
  const root = await fetch(folder.apiUrl, asBrowser);
  const again = await fetch(`${folder.apiUrl}/ui/`, {
    headers: { "if-none-match": root.headers.get("etag") ?? "" },
  });
  const [, script = ""] = /src="([^"]+)"/.exec(await root.text()) ?? [];
  const scriptAnswer = await fetch(`${folder.apiUrl}/ui/${script}`, { method: "HEAD" });
  const missing = await fetch(`${folder.apiUrl}/ui/main.js`);
  const asProgram = await fetch(folder.apiUrl);

  expect(root.url).toBe(`${folder.apiUrl}/ui/`);
  expect(root.headers.get("content-security-policy")).not.toMatch(/unsafe|\*|https?:/);
  expect(root.headers.get("cache-control")).toBe("no-cache");
  expect(again.status).toBe(304);
  expect(scriptAnswer.status).toBe(200);
  expect(scriptAnswer.headers.get("cache-control")).toContain("immutable");
  expect(missing.status).toBe(404);
  expect(asProgram.status).toBe(404);
});

test("a wrong password says so; a viewer sees, and only an admin may act", async () => {
  await using viewer = await browser.open(folder.apiUrl);
  const { page } = viewer;
  await enter(page, "vic", "wrong");
  await page.getByText("Login or password is wrong.").waitFor();
  expect(await page.context().cookies()).toEqual([]);
  expect(await barriers(page)).toEqual([]);

  await enter(page, "vic", passwords.vic);
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  const cookies = await page.context().cookies();
  expect(cookies).not.toEqual([]);
  expect(cookies.every(({ httpOnly, sameSite }) => httpOnly && sameSite === "Strict")).toBe(true);
  await page.goto(`${folder.apiUrl}/ui/#/sensors/orchard.thermometer`);
  await page.getByText("thermometer reads the probe").waitFor();
  expect(await page.getByRole("button", { name: "Restart" }).count()).toBe(0);
  const id = await eventAt("14");
  await page.goto(`${folder.apiUrl}/ui/#/events/${id}`);
  await page.getByRole("heading", { name: "Enforcements" }).waitFor();
  expect(await page.getByRole("heading", { name: "Replay" }).count()).toBe(0);

  await show("sensors/orchard.thermometer", "orchard.thermometer");
  await admin.page.getByRole("button", { name: "Restart" }).click();
  await admin.page.getByText("restarted", { exact: true }).waitFor();
});

test("a change needs the page's own token, and its own origin", async () => {
  const cookies = await admin.page.context().cookies(folder.apiUrl);
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
  const session = await (await fetch(`${folder.apiUrl}/api/v1/auth/session`, { headers: { cookie } })).json();
  const { csrf_token: token } = (session as { data: { csrf_token: string } }).data;
  const restart = (headers: Record<string, string>) =>
    fetch(`${folder.apiUrl}/api/v1/rules/orchard.count/enable`, {
      method: "POST",
      headers: { cookie, ...headers },
    });

  const statuses = await Promise.all(
    [
      {},
      { "x-csrf-token": "guessed" },
      { "x-csrf-token": token, origin: "http://evil.example" },
      { "x-csrf-token": token, "sec-fetch-site": "cross-site" },
      { "x-csrf-token": token, origin: folder.apiUrl, "sec-fetch-site": "same-origin" },
    ].map(async (headers) => (await restart(headers)).status),
  );

  expect(statuses).toEqual([403, 403, 403, 403, 200]);
});

test("events appear as they are stored, stop while paused, and show what each rule said", async () => {
  await show("events?trigger=orchard.temperature", "Events");
  const { page } = admin;
  await page.locator("tr.fresh").nth(1).waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  const first = await page.locator("tbody tr").first().innerText();
  await page.getByText(/[1-9]\d* since you paused/).waitFor();
  expect(await page.locator("tbody tr").first().innerText()).toBe(first);
  await page.getByRole("button", { name: "Go on" }).click();

  const id = await eventAt("14");
  await show(`events/${id}`, `Event ${id}`);
  await page.getByRole("link", { name: "orchard.frost" }).waitFor();
  await page
    .getByText(/`?celsius`? is 14/)
    .first()
    .waitFor();
  await page.getByText("celsius:").waitFor();
});

test("a rule's own view says why it did not match, and what changed, and an admin takes a change back", async () => {
  for (const label of ["Frost", "Frost warning"])
    await query(fresh.database, "update rule set label = $1 where ref = 'orchard.frost'", [label]);
  await show("rules/orchard.frost", "orchard.frost");
  const { page } = admin;
  await page.getByText(/of the last \d+ events? of its trigger matched/).waitFor();
  await page
    .getByRole("link", { name: /events?, such as \d+/ })
    .first()
    .waitFor();
  await page.getByRole("button", { name: "Show what changed" }).first().click();
  await page.getByLabel("after").getByText("Frost warning").waitFor();

  await page.getByRole("button", { name: "Revert" }).first().click();
  await page.getByRole("button", { name: "Yes, revert" }).click();
  await page.getByText("reverted", { exact: true }).waitFor();
  expect(await query(fresh.database, "select label from rule where ref = 'orchard.frost'")).toEqual([
    { label: "Frost" },
  ]);
});

test("a rule is tried with a stored event and a written one, and its draft on what is stored", async () => {
  const id = await eventAt("14");
  await show("rules/orchard.frost", "orchard.frost");
  const { page } = admin;
  const tester = page.getByRole("region", { name: "Try an event" });
  const payload = tester.getByLabel("Payload", { exact: true });
  await tester.getByRole("combobox").selectOption({ index: 1 });
  await expect.poll(() => payload.inputValue()).toContain("celsius");
  await payload.fill('{"celsius": 14}');
  await tester.getByRole("button", { name: "Try it" }).click();
  await tester.getByText("did not match", { exact: true }).waitFor();
  await tester.getByText(/`?celsius`? is 14/).waitFor();
  await payload.fill('{"celsius": -7}');
  await tester.getByRole("button", { name: "Try it" }).click();
  await tester.getByText("Frost: -7 °C").waitFor();

  const backtest = page.getByRole("region", { name: "Back-test" });
  const draft = [{ field: "celsius", operator: "less_than", value: 20 }];
  await backtest.getByLabel("Conditions to try").fill(JSON.stringify(draft));
  await backtest.getByRole("button", { name: "Run" }).click();
  await backtest.getByText(/These conditions match \d+ of \d+ events/).waitFor();
  await backtest.getByText(/^[1-9]\d* matched only by these conditions/).waitFor();
  await backtest.getByText("0 matched only by the rule as it is").waitFor();
  await backtest.getByRole("link", { name: id, exact: true }).waitFor();
  await backtest.getByRole("img", { name: /^Matches over time/ }).waitFor();
});

test("a back-test ends when one stops it", async () => {
  const { page } = admin;
  await show("rules/orchard.frost", "orchard.frost");
  // Never answered, as if there was much to read.
  await page.route("**/rules/backtest", () => undefined);
  const ended = page.waitForEvent("requestfailed");
  const backtest = page.getByRole("region", { name: "Back-test" });
  await backtest.getByRole("button", { name: "Run" }).click();
  await backtest.getByRole("button", { name: "Stop" }).click();
  expect((await ended).url()).toContain("/rules/backtest");
  await backtest.getByRole("button", { name: "Run" }).waitFor();
  await page.unroute("**/rules/backtest");
});

test("an admin sees what a replay would store, and then stores it", async () => {
  const id = await eventAt("14");
  const { database } = fresh;
  await insertRule(database, {
    ref: "orchard.mild",
    triggerRef: "orchard.temperature",
    conditions: [{ field: "celsius", operator: "greater_than", value: 5 }],
  });
  const enforcements = (where: string) =>
    query(database, `select id from enforcement where rule_ref = 'orchard.mild' and ${where}`);
  // The agent knows the rule.
  await expect.poll(async () => (await enforcements("true")).length, { timeout: 15_000 }).toBeGreaterThan(0);

  await show(`events/${id}`, `Event ${id}`);
  const replay = admin.page.getByRole("region", { name: "Replay" });
  await replay.getByRole("button", { name: "Show what it would store" }).click();
  await replay.getByText("It would store 1 enforcement: orchard.mild").waitFor();
  expect(await enforcements(`event = ${id}`)).toEqual([]);
  await replay.getByRole("button", { name: "Store them" }).click();
  await replay.getByText(/It has stored 1 enforcement: \d+ of orchard.mild/).waitFor();
  expect(await enforcements(`event = ${id}`)).toHaveLength(1);
  await replay.getByRole("button", { name: "Show what it would store" }).click();
  await replay.getByText("Nothing is missing").waitFor();
  await query(database, "update rule set enabled = false where ref = 'orchard.mild'");
});

test("text of payloads and logs is text", async () => {
  await show("sensors/orchard.gate", "orchard.gate");
  await admin.page.getByText("<script>document.title='run'</script> the gate is watched").first().waitFor();
  await show("events?trigger=orchard.temperature", "Events");
  await admin.page.locator("tbody a").first().click();
  await admin.page.getByText("<img src=x onerror").waitFor();

  expect(await admin.page.title()).not.toBe("run");
  expect(await admin.page.locator("main img, main script").count()).toBe(0);
});

test("a sensor that breaks while one looks is named, with its reason", async () => {
  await show("overview", "Overview");
  await admin.page
    .getByText("Nothing needs attention")
    .or(admin.page.getByText("Needs attention"))
    .first()
    .waitFor();
  await writeFile(brokenPath(), "");
  await admin.page.getByText("Sensor orchard.gate has failed").first().waitFor();
  await admin.page
    .getByRole("link", { name: /Look.*orchard.gate/ })
    .first()
    .click();

  await admin.page.getByText("could not read the lock of the gate: no such device").first().waitFor();
  await admin.page.getByText(/^orchard\.gate has failed on worker north: it exited with code 3/).waitFor();
  await admin.page.getByRole("link", { name: "orchard.count" }).waitFor();
  await rm(brokenPath());
  await admin.page.getByRole("button", { name: "Restart" }).click();
  await admin.page.locator(".state.good", { hasText: "running" }).waitFor();
  await admin.page
    .getByText(/^The process of orchard.gate exited on its own on north at .*; it ran again/)
    .first()
    .waitFor();
});

test("why an event did not match a rule can be found from the overview alone", async () => {
  await show("overview", "Overview");
  const { page } = admin;
  await page.getByRole("navigation").getByRole("link", { name: "Events" }).click();
  await page.getByRole("combobox", { name: /^Rule/ }).selectOption("orchard.frost");
  await page.locator("tbody tr", { hasText: "celsius: 14" }).first().getByRole("link").click();
  const verdict = page.locator(".notice", { has: page.getByRole("link", { name: "orchard.frost" }) }).first();
  await verdict
    .getByText(/`?celsius`? is 14/)
    .first()
    .waitFor();
});

interface Timing {
  readonly name: string;
  readonly startTime: number;
  readonly responseEnd: number;
}

test("a page that is opened again asks for its session beside its script, and for its data beside its session", async () => {
  const { page } = admin;
  const workers = page.locator(".tile", { hasText: "Workers" }).getByText(/^\d+$/);
  await page.goto("about:blank");
  // Once connected, the page reads again what may have changed before.
  await page.route("**/api/v1/stream", () => undefined);
  await page.goto(`${folder.apiUrl}/ui/`);
  await workers.waitFor();
  const timings: readonly Timing[] = await page.evaluate(() =>
    performance.getEntriesByType("resource").map((entry) => entry.toJSON() as Timing),
  );
  const named = (part: string): readonly Timing[] => timings.filter(({ name }) => name.includes(part));
  const [session, ...repeated] = named("/auth/session");
  expect(repeated).toEqual([]);
  expect(session?.startTime).toBeLessThan(named("/ui/main-")[0]?.responseEnd ?? 0);
  for (const path of ["sensors?", "workers?", "timers?", "gaps?"]) expect(named(path), path).toHaveLength(1);
  await page.unroute("**/api/v1/stream");

  const held = Promise.withResolvers<void>();
  await page.route("**/auth/session", async (route) => {
    await held.promise;
    await route.continue();
  });
  const data = page.waitForRequest(/sensors\?enabled/);
  await page.goto("about:blank");
  await page.goto(`${folder.apiUrl}/ui/`, { waitUntil: "commit" });
  await data;
  held.resolve();
  await workers.waitFor();
  await page.unroute("**/auth/session");
});

test("the next nightly run, and the worker to drain, can be found from the overview alone", async () => {
  await show("overview", "Overview");
  const { page } = admin;
  await page.getByRole("link", { name: "Timers" }).click();
  const row = page.locator("tr", { hasText: "orchard.nightly_report" });
  await row.getByText("02:30:00").waitFor();
  await row.getByText("Europe/Berlin").waitFor();

  await page.getByRole("link", { name: "Workers" }).click();
  await page.getByText("To take one worker away, drain south").waitFor();
});

test("the page recovers after the agent was restarted", async () => {
  await show("events?trigger=orchard.temperature", "Events");
  const { page } = admin;
  await page.getByText("Live", { exact: true }).waitFor();
  await agent[Symbol.asyncDispose]();
  await page.getByText("Waiting for the agent").waitFor();
  agent = await startAgent(folder);
  await ready(agent, folder);
  await page.getByText("Live", { exact: true }).waitFor();
  const before = await page.locator("tbody tr").first().innerText();
  await expect.poll(() => page.locator("tbody tr").first().innerText(), { timeout: 15_000 }).not.toBe(before);

  await show("overview", "Overview");
  await page
    .getByText(/^north released orchard.thermometer and took it again at .*; nobody ran it for [\d.]+ m?s$/)
    .waitFor();
});

test("everything can be reached with the keyboard alone", async () => {
  await show("overview", "Overview");
  const { page } = admin;
  await page.keyboard.press("Tab");
  for (let presses = 0; presses < 30; presses += 1) {
    if ((await page.evaluate("document.activeElement?.textContent")) === "Rules") break;
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Rules", level: 1 }).waitFor();
  await expect.poll(() => page.evaluate("document.activeElement?.tagName")).toBe("H1");
});

const viewsShown = [
  ["overview", "Overview"],
  ["flow", "Flow"],
  ["sensors", "Sensors"],
  ["sensors/orchard.thermometer", "orchard.thermometer"],
  ["events", "Events"],
  ["rules", "Rules"],
  ["rules/orchard.frost", "orchard.frost"],
  ["timers", "Timers"],
  ["timers/orchard.nightly_report", "orchard.nightly_report"],
  ["deliveries", "Deliveries"],
  ["workers", "Workers"],
  ["diagnosis", "Diagnosis"],
] as const;

test("no view has a barrier that axe finds, light or dark, or is too wide for a phone", async () => {
  const { page } = admin;
  const found: string[] = [];
  const id = await eventAt("-2");
  for (const [path, heading] of [...viewsShown, [`events/${id}`, `Event ${id}`] as const]) {
    await show(path, heading);
    await loaded();
    await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
    const inLight = await barriers(page);
    await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
    const inDark = await barriers(page, ["color-contrast"]);
    found.push(...[...inLight, ...inDark].map((barrier) => `${path}: ${barrier}`));
    await page.setViewportSize({ width: 360, height: 740 });
    const excess = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
    if (Number(excess) > 0) found.push(`${path}: ${String(excess)} px wider than a narrow screen`);
    await page.setViewportSize({ width: 1_280, height: 860 });
  }

  expect(found).toEqual([]);
  expect(admin.complaints).toEqual([]);
});

/** Set to a folder, to write the screenshots of docs/screenshots. */
const screenshotsVariable = "ATTUNE_TEST_SCREENSHOTS";

const screenshots = [
  ["overview", "overview", "Overview", "light"],
  ["sensors", "sensors", "Sensors", "light"],
  ["sensor", "sensors/orchard.gate", "orchard.gate", "light"],
  ["events", "events", "Events", "dark"],
  ["flow", "flow", "Flow", "dark"],
  ["workers", "workers", "Workers", "light"],
] as const;

test.runIf(process.env[screenshotsVariable] !== undefined)("screenshots", { timeout: 180_000 }, async () => {
  const { page } = admin;
  await page.mouse.move(1_279, 859);
  await writeFile(brokenPath(), "");
  await show("overview", "Overview");
  await page.getByText("Sensor orchard.gate has failed").first().waitFor();
  // A minute of numbers for the pictures.
  await expect
    .poll(async () => await page.evaluate("performance.now() > 60_000"), { timeout: 90_000, interval: 1_000 })
    .toBe(true);
  for (const [name, path, heading, colorScheme] of screenshots) {
    await page.emulateMedia({ colorScheme, reducedMotion: "no-preference" });
    await show(path, heading);
    await loaded();
    await page.locator(".live:not(.waiting)").waitFor();
    if (path === "sensors/orchard.gate") await page.locator("pre.text").nth(1).waitFor();
    if (path === "events") await page.locator("tr.fresh").nth(8).waitFor();
    await page.screenshot({ path: join(process.env[screenshotsVariable] ?? "", `${name}.png`) });
  }
});

test("more than a thousand events a second are counted, and a sample of them is shown", async () => {
  await show("events?trigger=orchard.flood", "Events");
  const { page } = admin;
  await query(fresh.database, "update rule set enabled = true where ref = 'orchard.flood'");
  const rate = page.getByText(/[\d,]+ a second, all events/);
  await expect
    .poll(async () => Number((await rate.innerText()).replaceAll(/[^\d]/g, "")), { timeout: 30_000 })
    .toBeGreaterThan(1_000);
  await page.getByText(/^the newest \d+ of [\d,]+ in the last second; [\d,]+ left out$/).waitFor();

  expect(await page.locator("tbody tr").count()).toBeLessThanOrEqual(250);
  await page.getByRole("link", { name: "Overview" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await query(fresh.database, "update rule set enabled = false where ref = 'orchard.flood'");
});
