/** Triggers for statements do what triggers for rows did, when many rules are created, changed and deleted at once. */
import { expect, test } from "vitest";
import type { Client } from "pg";
import { freshDatabase } from "../support/postgres.ts";

/** The triggers as log_rule_changes, keep_timers and tell_sensors_of_rules have them. Their functions still exist. */
const triggersForRows = `
  drop trigger rule_changed_notes_change on rule;
  drop trigger rule_changed_notes_timers on rule;
  drop trigger rule_changed_owes_messages on rule;
  drop trigger rule_created_notes_change on rule;
  drop trigger rule_created_notes_timers on rule;
  drop trigger rule_created_owes_messages on rule;
  drop trigger rule_deleted_notes_change on rule;
  drop trigger rule_deleted_owes_messages on rule;
  create or replace trigger rule_notes_change after insert or update or delete on rule
    for each row execute function note_rule_change();
  create or replace trigger rule_notes_timer after insert or update on rule
    for each row execute function note_timer_rule();
  create or replace trigger rule_owes_message after insert or update or delete on rule
    for each row execute function owe_rule_message();`;

const prepare = `
  insert into pack (ref, label) values ('p', 'P');
  insert into action (ref, pack, pack_ref, label, entrypoint)
  select 'p.act', id, 'p', 'Act', 'act.py' from pack where ref = 'p';
  insert into trigger (ref, pack, pack_ref, label, enabled)
  select 'p.' || name, pack.id, 'p', name, name <> 'off' from pack, unnest(array['on', 'off']) as name
   where pack.ref = 'p';
  update trigger set enabled = false where ref = 'core.crontimer';`;

/** Rules of every kind: enabled or not, on triggers that are enabled, disabled or unknown, and on timers. */
const create = `
  insert into rule (ref, pack, pack_ref, action, action_ref, trigger, trigger_ref, trigger_params, enabled)
  select 'r.' || n, case when n % 6 = 0 then (select id from pack where ref = 'p') end, 'p',
         (select id from action where ref = 'p.act'), 'p.act', (select id from trigger where ref = on_trigger), on_trigger,
         case n % 5 when 0 then '[1]'::jsonb
                    when 1 then '{"interval": 60, "paused_until": "2999-01-01"}'
                    else jsonb_build_object('n', n) end,
         n % 4 <> 0
    from generate_series(1, 60) as n,
         lateral (select (array['p.on', 'p.off', 'p.unknown', 'core.timer', 'core.crontimer'])[1 + n % 7 % 5])
           as on_triggers (on_trigger)`;

const steps: readonly string[] = [
  create,
  "update rule set label = 'changed' where id % 3 = 0",
  "update rule set enabled = not enabled where id % 5 = 0",
  "update rule set label = label, updated = now()",
  "update rule set label = 'none' where false",
  // Equal as jsonb, with other digits.
  `update rule set conditions = '{"field": "n", "operator": "equals", "value": 1.0}' where id % 2 = 0`,
  `update rule set conditions = '{"field": "n", "operator": "equals", "value": 1.00}' where id % 2 = 0`,
  `update rule set trigger_params = trigger_params || '{"interval": 30}' where jsonb_typeof(trigger_params) = 'object' and id % 4 < 2`,
  `update rule set trigger_params = '{"paused_until": "2999-02-02"}' where id % 4 = 1`,
  "update rule set trigger_params = '{}', label = 'resumed', enabled = true where id % 8 = 1",
  // To other triggers, alone and with other changes, and back.
  `update rule
      set trigger_ref = case trigger_ref when 'p.on' then 'p.off' when 'p.off' then 'p.unknown' when 'p.unknown' then 'core.timer'
                        else 'p.on' end`,
  `update rule
      set trigger_ref = case trigger_ref when 'p.off' then 'p.on' when 'core.timer' then 'p.unknown' else 'core.crontimer' end,
          label = case when id % 3 = 0 then 'moved' else label end,
          trigger_params = case when id % 4 = 0 then '{"n": 0}' else trigger_params end,
          enabled = enabled <> (id % 7 = 0)`,
  // Moved twice, and an earlier change once more.
  `begin;
   update rule set trigger_ref = 'p.elsewhere' where id % 3 = 0;
   update rule set trigger_ref = 'p.on' where id % 6 = 0;
   set constraints all immediate;
   update rule set label = 'again', action_params = '{"n": 1}' where id % 3 = 0;
   commit`,
  `insert into rule (ref, action_ref, trigger_ref, enabled)
   select 'r.' || n, 'p.act', 'p.on', true from generate_series(50, 70) as n
   on conflict (ref) do update set trigger_ref = 'core.timer', enabled = true`,
  "insert into rule (ref, action_ref, trigger_ref) select 'none', 'p.act', 'p.on' where false",
  // Several changes of one rule in a transaction.
  `begin;
   insert into rule (ref, action_ref, trigger_ref, enabled)
   select 'm.' || n, 'p.act', 'p.on', n <> 2 from generate_series(1, 4) as n;
   update rule set trigger_ref = 'core.timer' where ref like 'm.%';
   delete from rule where ref in ('m.1', 'm.2');
   insert into rule (ref, action_ref, trigger_ref) values ('m.1', 'p.act', 'p.on');
   commit`,
  "delete from rule where id % 7 = 0",
  "delete from rule where false",
  "update trigger set enabled = not enabled where ref in ('p.on', 'core.crontimer')",
  // Deletes rules, and changes others twice in one statement.
  "delete from pack where ref = 'p'",
  "truncate rule cascade",
];

/** What a step leaves, without times and without the numbers of transactions and messages. */
const traces: Readonly<Record<string, string>> = {
  messages: `
    select rule, routing_key, rule_ref, trigger_ref, trigger_params::text, active
      from rule_message
     order by rule, number`,
  outbox: `
    select routing_key, body #- '{timestamp}' as body
      from outbox
     order by (body #>> '{payload,rule_id}')::bigint, message_id`,
  tombstones: "select rule, trigger_ref, rule_ref, is_deleted from rule_tombstone order by rule, trigger_ref",
  changes: `
    select dense_rank() over (order by revision) as step, kind, id, trigger_ref, is_effective
      from rule_change
      join rule_commit using (xid)
     order by step, kind, id, trigger_ref`,
  pending: "select count(*)::int as count from rule_change_pending",
  timers: `
    select rule, disabled_since is not null as is_disabled, paused_since is not null as is_paused,
           disabled_since = schedule_since as is_disabled_from_start, isempty(pauses) as is_unpaused
      from timer_rule
     order by rule`,
  versions: `
    select rule, rule_ref, trigger_ref, is_effective, operation, definition
      from rule_version
     order by rule, id`,
};

// Goal: nothing that reads these tables notices whether rules were written one by one or by the thousand.
// Method: the same statements in two databases, one with the former triggers for rows; compare after each.
test("what follows from a statement is what followed from its rows", async () => {
  await using byStatements = await freshDatabase();
  await using byRows = await freshDatabase();
  const present = await byStatements.connect();
  const former = await byRows.connect();
  await former.query(triggersForRows);
  for (const client of [present, former]) await client.query(prepare);

  for (const step of steps) {
    await present.query(step);
    await former.query(step);
    for (const [name, text] of Object.entries(traces))
      expect(await rowsIn(present, text), `${name} after ${step}`).toEqual(await rowsIn(former, text));
  }

  expect(
    await rowsIn(
      present,
      `select count(*) = count(number) as are_numbered,
              bool_and(left(message_id::text, 18) = left(installation.id::text, 13) || '-8003') as are_ours
         from installation, outbox
         left join rule_message
           on right(message_id::text, 12) = lpad(to_hex(number), 12, '0')
          and rule = (body #>> '{payload,rule_id}')::bigint`,
    ),
  ).toEqual([{ are_numbered: true, are_ours: true }]);
});

test("ten thousand rules of one statement are all told, in their order", async () => {
  await using fresh = await freshDatabase();
  const client = await fresh.connect();

  await client.query(`
    insert into rule (ref, action_ref, trigger_ref)
    select 'r.' || n, 'core.noop', 'core.timer' from generate_series(1, 10000) as n`);

  expect(
    await rowsIn(
      client,
      `select count(*)::int as told, (select count(*)::int from outbox) as queued,
              (select count(*)::int from timer_rule) as timers, (select count(*)::int from rule_change) as changes,
              bool_and(rule_ref = 'r.' || place) as are_ordered
         from (select rule_ref, row_number() over (order by number) as place from rule_message) as message`,
    ),
  ).toEqual([{ told: 10_000, queued: 10_000, timers: 10_000, changes: 10_000, are_ordered: true }]);
});

// Goal: an update of many rules costs one execution of each trigger, and no more for each row than stamping it.
test("only the time of an update is set row by row", async () => {
  await using fresh = await freshDatabase();
  const client = await fresh.connect();

  expect(
    await rowsIn(
      client,
      `select tgname
         from pg_trigger
        where tgrelid = 'rule'::regclass
          and not tgisinternal
          and tgtype & 1 = 1`,
    ),
  ).toEqual([{ tgname: "rule_touches_updated" }]);
});

test("ten thousand rules updated in one statement are all told, in their order", async () => {
  await using fresh = await freshDatabase();
  const client = await fresh.connect();
  await client.query(`
    insert into rule (ref, action_ref, trigger_ref)
    select 'r.' || n, 'core.noop', 'core.timer' from generate_series(1, 10000) as n`);
  // The session's plans are made for one rule.
  for (let n = 0; n < 6; n += 1) await client.query("update rule set label = label || 'x' where ref = 'r.1'");
  await client.query("truncate outbox; truncate rule_message");

  await client.query(
    "update rule set enabled = false, trigger_ref = 'p.other' where ref = 'r.1' or id % 2 = 0",
  );
  await client.query("update rule set enabled = false where ref <> 'r.1' and id % 2 = 1");

  expect(
    await rowsIn(
      client,
      `select count(*)::int as told, (select count(*)::int from outbox) as queued,
              (select count(*)::int from timer_rule) as timers, (select count(*)::int from rule_tombstone) as moved
         from rule_message`,
    ),
  ).toEqual([{ told: 15_001, queued: 15_001, timers: 4_999, moved: 5_001 }]);
});

async function rowsIn(client: Client, text: string): Promise<object[]> {
  return (await client.query<object>(text)).rows;
}
