-- What became of the slots of timers: docs/timers.md.
--
-- timer_rule says since when each timer rule has had its schedule and when it was disabled or paused. The database writes it
-- whenever a rule or its trigger changes, however that happens, so an agent that was away finds out afterwards. Only the
-- agent that runs the timers writes timer_cursor and timer_slot. They refer to no rule, so that a transaction left open over
-- a rule never holds up the timers of others.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

create table if not exists timer_rule (
  rule           bigint primary key references rule (id) on delete cascade,
  -- Whole milliseconds. Only later slots fire; the schedule counts from here.
  schedule_since timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  -- Since when it or its trigger has been disabled; null: both are enabled.
  disabled_since timestamptz,
  -- Since when its trigger_params have had a paused_until; null: they have none.
  paused_since   timestamptz,
  -- Times in which it was disabled or paused, as far as they may matter for slots after its cursor.
  pauses         tstzmultirange not null default '{}'
);

create table if not exists timer_cursor (
  rule              bigint primary key,
  -- The schedule that this is about, as in timer_rule.
  schedule_since    timestamptz not null,
  -- From when its slots count: schedule_since, or a later time if the clock was set back by more than a minute.
  series_since      timestamptz not null,
  -- Every slot up to this one has fired or was skipped.
  settled_until     timestamptz not null,
  execution_count   bigint not null default 0,
  -- Slots by what became of them, like {"fired": 7, "late": 2, "down": 1}: reasons of timer_slot, and fired and late.
  counts            jsonb not null default '{}',
  last_scheduled_at timestamptz,
  last_fired_at     timestamptz,
  -- Fires on time, less than a minute apart, that are not in timer_slot yet.
  run_first_at      timestamptz,
  run_slots         bigint not null default 0,
  -- The newest row of timer_slot.
  entries           bigint not null default 0,
  -- Why its trigger_params are no schedule; null: they are one.
  problem           text,
  updated           timestamptz not null default now()
) with (fillfactor = 60);

-- The newest 200 entries of each rule. An entry is about one slot, or about several in a row with the same outcome.
create table if not exists timer_slot (
  rule               bigint not null,
  number             bigint not null,
  outcome            text not null check (outcome in ('fired', 'late', 'skipped')),
  -- Why they were skipped: down, clock, overlap, paused, window or refused; see docs/timers.md.
  reason             text,
  first_scheduled_at timestamptz not null,
  last_scheduled_at  timestamptz not null,
  slots              bigint not null default 1,
  -- False: there were too many to count, so that `slots` is an estimate.
  is_counted         boolean not null default true,
  -- Of the last one that fired.
  late_seconds       double precision,
  fired_at           timestamptz,
  event              bigint,
  primary key (rule, number)
);

do $$
declare
  here text := current_schema();
begin
  execute format($create$
    create or replace function is_timer(trigger_ref text) returns boolean language sql immutable as $body$
      select trigger_ref in ('core.intervaltimer', 'core.timer', 'core.crontimer', 'core.datetimetimer',
                             'core.rruletimer')
    $body$
  $create$);

  -- What a timer's params say about when it fires. The others may change without the schedule beginning anew.
  execute format($create$
    create or replace function timer_schedule(trigger_params jsonb) returns jsonb language sql immutable as $body$
      select case when jsonb_typeof(trigger_params) = 'object'
                  then trigger_params - array['catch_up', 'on_resume', 'paused_until', 'max_fires', 'note']
                  else trigger_params
              end
    $body$
  $create$);

  -- A pause ends: remembers it for slots that the agent has not settled yet. At most the newest hundred are kept.
  execute format($create$
    create or replace function timer_pauses(timer timer_rule, since timestamptz, until timestamptz)
    returns tstzmultirange language sql stable
    set search_path to %1$I, pg_temp as $body$
      select coalesce(range_agg(newest.pause), '{}')
        from (select pause
                from unnest(timer.pauses + case when since < until then tstzmultirange(tstzrange(since, until))
                                                else '{}' end) as pause
               where upper(pause) > coalesce((select settled_until from timer_cursor where rule = timer.rule),
                                             '-infinity')
               order by pause desc
               limit 100) as newest
    $body$
  $create$, here);

  -- Who may change rules need not have rights on timer_rule.
  execute format($create$
    create or replace function note_timer_rule() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      at timestamptz := date_trunc('milliseconds', clock_timestamp());
      is_active boolean;
      is_paused boolean;
      known timer_rule;
    begin
      if not is_timer(new.trigger_ref) then
        if tg_op = 'UPDATE' and is_timer(old.trigger_ref) then
          delete from timer_rule where rule = new.id;
        end if;
        return null;
      end if;
      is_active := new.enabled and is_trigger_enabled(new.trigger_ref);
      is_paused := coalesce(jsonb_typeof(new.trigger_params -> 'paused_until'), 'null') <> 'null';
      if tg_op = 'UPDATE' then
        select * into known from timer_rule where rule = new.id for update;
      end if;

      if known.rule is null or old.trigger_ref <> new.trigger_ref
         or timer_schedule(old.trigger_params) is distinct from timer_schedule(new.trigger_params) then
        insert into timer_rule (rule, schedule_since, disabled_since, paused_since)
        values (new.id, at, case when not is_active then at end, case when is_paused then at end)
        on conflict (rule) do update
           set schedule_since = excluded.schedule_since,
               disabled_since = excluded.disabled_since,
               paused_since = excluded.paused_since,
               pauses = '{}';
        return null;
      end if;

      if is_active and known.disabled_since is not null then
        known.pauses := timer_pauses(known, known.disabled_since, at);
        known.disabled_since := null;
      elsif not is_active and known.disabled_since is null then
        known.disabled_since := at;
      end if;
      if known.paused_since is not null
         and old.trigger_params -> 'paused_until' is distinct from new.trigger_params -> 'paused_until' then
        known.pauses := timer_pauses(known, known.paused_since, at);
        known.paused_since := null;
      end if;
      if is_paused and known.paused_since is null then
        known.paused_since := at;
      end if;
      update timer_rule
         set pauses = known.pauses,
             disabled_since = known.disabled_since,
             paused_since = known.paused_since
       where rule = new.id
         and (pauses, disabled_since, paused_since)
             is distinct from (known.pauses, known.disabled_since, known.paused_since);
      return null;
    end
    $body$
  $create$, here);

  -- Disabling a trigger disables its rules.
  execute format($create$
    create or replace function note_timer_trigger() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      at timestamptz := date_trunc('milliseconds', clock_timestamp());
    begin
      if not is_timer(new.ref) then
        return null;
      end if;
      perform pg_advisory_xact_lock(hashtextextended(%2$L || new.ref, 3));
      if new.enabled then
        update timer_rule as timer
           set pauses = timer_pauses(timer, disabled_since, at),
               disabled_since = null
          from rule
         where rule.id = timer.rule
           and rule.trigger_ref = new.ref
           and rule.enabled
           and timer.disabled_since is not null;
      else
        update timer_rule as timer
           set disabled_since = at
          from rule
         where rule.id = timer.rule
           and rule.trigger_ref = new.ref
           and rule.enabled
           and timer.disabled_since is null;
      end if;
      return null;
    end
    $body$
  $create$, here, here || '.');
end
$$;

drop trigger if exists rule_notes_timer on rule;
create trigger rule_notes_timer after insert or update on rule
  for each row execute function note_timer_rule();

drop trigger if exists trigger_notes_timers on trigger;
create trigger trigger_notes_timers after update on trigger
  for each row when (old.enabled <> new.enabled) execute function note_timer_trigger();

-- Timers of rules from before begin now.
insert into timer_rule (rule, disabled_since, paused_since)
select rule.id,
       case when not (rule.enabled and coalesce(trigger.enabled, true)) then date_trunc('milliseconds', clock_timestamp()) end,
       case when rule.trigger_params ->> 'paused_until' is not null then date_trunc('milliseconds', clock_timestamp()) end
  from rule
  left join trigger
    on trigger.ref = rule.trigger_ref
 where is_timer(rule.trigger_ref)
on conflict (rule) do nothing;

-- packs/core describes them to people.
insert into trigger (ref, pack, pack_ref, label, description)
select timer.ref, pack.id, 'core', timer.label, timer.description
  from (values
    ( 'core.intervaltimer', 'Interval timer', 'Fires at a fixed distance' ),
    ( 'core.timer', 'Timer', 'The older name of core.intervaltimer' ),
    ( 'core.crontimer', 'Cron timer', 'Fires when the clock of a time zone matches a cron expression' ),
    ( 'core.datetimetimer', 'Date and time', 'Fires once' ),
    ( 'core.rruletimer', 'Recurrence timer', 'Fires by a recurrence rule of RFC 5545 (iCalendar)' )
  ) as timer (ref, label, description)
  join pack
    on pack.ref = 'core'
on conflict (ref) do nothing;

insert into sensor (ref, pack, pack_ref, label, description, entrypoint, runtime, runtime_ref, trigger, trigger_ref)
select 'core.timers', pack.id, 'core', 'Timers', 'Fires the timers of all rules on the core pack''s timer triggers',
       'timers', runtime.id, runtime.ref, trigger.id, trigger.ref
  from pack
  join runtime
    on runtime.ref = 'core.sensor.builtin'
  join trigger
    on trigger.ref = 'core.intervaltimer'
 where pack.ref = 'core'
on conflict (ref) do nothing;

insert into sensor_trigger (sensor, trigger)
select sensor.id, trigger.id
  from sensor
  join trigger
    on trigger.ref in ('core.timer', 'core.crontimer', 'core.datetimetimer', 'core.rruletimer')
 where sensor.ref = 'core.timers'
on conflict do nothing;
