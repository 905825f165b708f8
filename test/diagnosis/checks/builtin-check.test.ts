/** What doctor says of rules on timers, webhooks and files that plain SQL has written, and of skipped slots. */
import { expect, test } from "vitest";
import { checkBuiltins } from "../../../src/diagnosis/checks/builtin-check.ts";
import { checkFiles } from "../../../src/diagnosis/checks/file-check.ts";
import { createMetrics } from "../../../src/telemetry/metrics.ts";
import { idleSources } from "../../support/gauge-sources.ts";
import { query } from "../../support/platform-rows.ts";
import { freshDatabase } from "../../support/postgres.ts";

test("rules that do nothing are wrong, with the reason; skipped slots are a notice", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const rule = (ref: string, triggerRef: string, params: unknown, enabled = true) =>
    query(
      database,
      `insert into rule (ref, action_ref, trigger, trigger_ref, trigger_params, enabled)
       values ($1, 'core.noop', (select id from trigger where ref = $2), $2, $3, $4)`,
      [ref, triggerRef, JSON.stringify(params), enabled],
    );
  const found = async (): Promise<readonly string[]> =>
    (await checkBuiltins({ kind: "postgresql", rows: database })).map(
      ({ state, subject, detail }) => `${state} ${subject} ${detail}`,
    );

  await rule("t.good", "core.crontimer", { expression: "30 2 * * *" });
  await rule("t.hook", "core.webhook", { path: "in" });
  await rule("t.like", "core.webhook", { path: "in/" });
  await rule("t.inbox", "core.file_changed", { path: "/srv/in" });
  await rule("t.off", "core.crontimer", { expression: "never" }, false);
  expect(await found()).toEqual([]);

  await rule("t.cron", "core.crontimer", { expression: "0 25 * * *", timezone: "Mars/Base" });
  await rule("t.calendar", "core.intervaltimer", { interval: 60, exclude: ["calendar:gone"] });
  await rule("t.other", "core.webhook", { path: "in", secret: "t.secret", method: ["POST", "PUT"] });
  await rule("t.preset", "core.webhook", { path: "out", preset: "githab" });
  await rule("t.relative", "core.file_changed", { path: "srv/in" });
  await rule("t.array", "core.timer", [1]);
  await rule("t.noted", "core.timer", { interval: 60 });
  // The agent that runs the timers has found out about this one.
  await query(
    database,
    `insert into timer_cursor (rule, schedule_since, series_since, settled_until, problem)
     select rule, schedule_since, schedule_since, schedule_since, 'something else'
       from timer_rule where rule = (select id from rule where ref = 't.noted')`,
  );
  await query(
    database,
    `insert into timer_slot (rule, number, outcome, reason, first_scheduled_at, last_scheduled_at, slots)
     select id, n, outcome, reason, now() - age, now() - age, slots
       from rule, (values (1, 'skipped', 'down', interval '3 days', 7), (2, 'skipped', 'down', interval '1 hour', 2),
                          (3, 'late', null, interval '1 hour', 1), (4, 'skipped', 'paused', interval '1 hour', 9),
                          (5, 'skipped', 'down', interval '1 minute', 1)) as slot (n, outcome, reason, age, slots)
      where ref = 't.good'`,
  );

  const findings = await found();
  expect(findings.map((each) => each.split(" ").slice(0, 3).join(" "))).toEqual([
    "wrong rule t.cron",
    "wrong rule t.calendar",
    "wrong rule t.relative",
    "wrong rule t.array",
    "wrong rule t.noted",
    "wrong rule t.other",
    "wrong rule t.preset",
    "notice rule t.good",
  ]);
  expect(findings[0]).toMatch(/its timer does not fire: .*hour 25/);
  expect(findings[1]).toBe(
    "wrong rule t.calendar its timer does not fire: exclude[0]: names the calendar gone, which the sensor core.timers does not configure",
  );
  expect(findings[2]).toMatch(/watches nothing: .*absolute/);
  expect(findings[3]).toMatch(/its timer does not fire: trigger_params is not an object/);
  expect(findings[4]).toBe("wrong rule t.noted its timer does not fire: something else");
  expect(findings[5]).toBe(
    "wrong rule t.other its webhook is not answered: POST /webhooks/in is also the rule t.hook's, with other settings; rules with one path need equal ones",
  );
  expect(findings[6]).toMatch(/its webhook is not answered: trigger_params\.preset/);
  expect(findings[7]).toMatch(/its timer skipped 3 slots within a day, .*: no agent ran the timers$/);
});

test("a webhook answers 503 while none of the keys exists that check a request", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const rule = (ref: string, params: unknown, packRef: string | null = null) =>
    query(
      database,
      `insert into rule (ref, action_ref, trigger, trigger_ref, trigger_params, pack_ref)
       values ($1, 'core.noop', (select id from trigger where ref = 'core.webhook'), 'core.webhook', $2, $3)`,
      [ref, JSON.stringify(params), packRef],
    );
  await query(
    database,
    `insert into key (ref, local_ref, name, owner_type, owner_pack_ref, encryption_key, value, created_by_sensor)
     values ('t.present', 't.present', '', 'system', null, 'k', '\\x00', false),
            ('t.known', 't.known', '', 'pack', 'jira', 'k', '\\x00', true)`,
  );
  await rule("t.rotating", { path: "a", secret: ["t.gone", "t.present"] });
  await rule("t.unchecked", { path: "b" });
  await rule("t.signed", { path: "c", secret: ["t.gone", "t.gone_too"], bearer: "t.present" });
  await rule("t.bearer", { path: "d", secret: "t.present", bearer: "t.gone" });
  await rule("t.others", { path: "e", secret: ["t.gone", "t.known"] });
  await rule("t.own", { path: "f", secret: "t.known" }, "jira");

  const findings = await checkBuiltins({ kind: "postgresql", rows: database });

  expect(findings.map(({ state, subject, detail }) => `${state} ${subject} ${detail}`)).toEqual([
    "wrong rule t.signed its webhook answers 503: the key t.gone, t.gone_too does not exist",
    "wrong rule t.bearer its webhook answers 503: the key t.gone does not exist",
    "wrong rule t.others its webhook answers 503: the key t.gone does not exist; the key t.known was created by a sensor of the pack jira, which could make such requests",
  ]);
  expect(findings[0]?.remedy).toContain("docs/keys.md");
});

test("calendars that the timers' sensor configures may be named", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await query(
    database,
    `update sensor set config = '{"calendars": {"company": ["12-24"], "broken": ["someday"]}}' where ref = 'core.timers'`,
  );
  await query(
    database,
    `insert into rule (ref, action_ref, trigger, trigger_ref, trigger_params)
     select 't.' || name, 'core.noop', trigger.id, trigger.ref,
            jsonb_build_object('interval', 60, 'exclude', 'calendar:' || name)
       from trigger, unnest(array['company', 'broken', 'compony']) as name
      where trigger.ref = 'core.timer'`,
  );

  const findings = await checkBuiltins({ kind: "postgresql", rows: database });

  expect(findings.map(({ subject, detail }) => `${subject} ${detail}`)).toEqual([
    expect.stringMatching(/^rule t\.broken .*names the calendar broken, whose entry must be a date/),
    expect.stringMatching(/^rule t\.compony .*which .* does not configure; did you mean company\?$/),
  ]);
});

test("places that are polled are a notice, as the running agent counts them", async () => {
  const metrics = createMetrics({ version: "test", withProcess: false });
  metrics.observe({ ...idleSources, filePlacesPolled: () => new Map([["limit", 2]]) });

  expect(checkFiles(await metrics.text())).toMatchObject([
    {
      state: "notice",
      subject: "files",
      detail: "2 watched places are polled instead of watched: the kernel has no more watches for this user",
    },
  ]);
});
