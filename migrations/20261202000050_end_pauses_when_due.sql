-- A pause by paused_until ends at that time. Its end was noted as the time at which paused_until was changed or removed, which may
-- be long afterwards: slots in between that no agent had settled yet counted as paused.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

do $$
declare
  here text := current_schema();
begin
  -- When the pause of these params ended, if they were replaced at that time: then at the latest. A wall time that a clock
  -- change leaps over or repeats may be taken for one an hour later than the agent takes it for.
  execute format($create$
    create or replace function timer_pause_end(trigger_params jsonb, at timestamptz) returns timestamptz
    language plpgsql stable set search_path to pg_catalog, pg_temp set datestyle to iso set timezone to utc as $body$
    declare
      until text := trigger_params ->> 'paused_until';
      zone text := coalesce(trigger_params ->> 'timezone', 'UTC');
    begin
      if until !~ '^\d{4}-\d\d-\d\d' then
        return at;
      elsif until ~* '\d:\d\d.*(z|[+-]\d\d:?\d\d)$' then
        return least(until::timestamptz, at);
      elsif zone ~ '^[+-]\d' then
        -- As the name of a zone it would have the sign of POSIX.
        return least((until::timestamp || zone)::timestamptz, at);
      else
        return least(until::timestamp at time zone zone, at);
      end if;
    exception when data_exception then
      return at;
    end
    $body$
  $create$);

  execute format($create$
    create or replace function note_updated_timers() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp set jit to off set enable_nestloop to off set enable_seqscan to off
    set plan_cache_mode to force_generic_plan as $body$
    declare
      used text;
      enabled_triggers text[] := '{}';
      change record;
      at timestamptz;
      known timer_rule;
    begin
      if not exists (select from new_rule where is_timer(trigger_ref)
                      union all
                     select from old_rule where is_timer(trigger_ref)) then
        return null;
      end if;
      for used in
        select distinct trigger_ref from new_rule where is_timer(trigger_ref) and enabled order by trigger_ref
      loop
        if is_trigger_enabled(used) then
          enabled_triggers := array_append(enabled_triggers, used);
        end if;
      end loop;
      for change in
        select later.id, is_timer(later.trigger_ref) as is_timer,
               later.enabled and later.trigger_ref = any (enabled_triggers) as is_active,
               coalesce(jsonb_typeof(later.trigger_params -> 'paused_until'), 'null') <> 'null' as is_paused,
               earlier.trigger_ref <> later.trigger_ref
               or timer_schedule(earlier.trigger_params) is distinct from timer_schedule(later.trigger_params) as is_new,
               earlier.trigger_params -> 'paused_until' is distinct from later.trigger_params -> 'paused_until' as is_other_pause,
               earlier.trigger_params as former_params
          from (select row_number() over () as place, trigger_ref, trigger_params from old_rule) as earlier
          join (select row_number() over () as place, id, trigger_ref, trigger_params, enabled from new_rule) as later
         using (place)
         where is_timer(earlier.trigger_ref)
            or is_timer(later.trigger_ref)
         order by place
      loop
        if not change.is_timer then
          delete from timer_rule where rule = change.id;
          continue;
        end if;
        at := date_trunc('milliseconds', clock_timestamp());
        select * into known from timer_rule where rule = change.id for update;

        if known.rule is null or change.is_new then
          insert into timer_rule (rule, schedule_since, disabled_since, paused_since)
          values (change.id, at, case when not change.is_active then at end, case when change.is_paused then at end)
          on conflict (rule) do update
             set schedule_since = excluded.schedule_since,
                 disabled_since = excluded.disabled_since,
                 paused_since = excluded.paused_since,
                 pauses = '{}';
          continue;
        end if;

        if change.is_active and known.disabled_since is not null then
          known.pauses := timer_pauses(known, known.disabled_since, at);
          known.disabled_since := null;
        elsif not change.is_active and known.disabled_since is null then
          known.disabled_since := at;
        end if;
        if known.paused_since is not null and change.is_other_pause then
          known.pauses := timer_pauses(known, known.paused_since, timer_pause_end(change.former_params, at));
          known.paused_since := null;
        end if;
        if change.is_paused and known.paused_since is null then
          known.paused_since := at;
        end if;
        update timer_rule
           set pauses = known.pauses,
               disabled_since = known.disabled_since,
               paused_since = known.paused_since
         where rule = change.id
           and (pauses, disabled_since, paused_since)
               is distinct from (known.pauses, known.disabled_since, known.paused_since);
      end loop;
      return null;
    end
    $body$
  $create$, here);
end
$$;
