-- Many rules are updated in one statement: triggers for statements in place of those for rows, which took 0.3 ms a rule. What
-- they write is the same:
--
--   rule_change                            as in log_rule_changes
--   timer_rule                             as in keep_timers
--   outbox, rule_message, rule_tombstone   as in tell_sensors_of_rules; numbers have the order in which the statement wrote
--                                          the rules
--
-- A session plans each query of such a function once, often for one row, and uses the plan for ten thousand, too. Hence the
-- settings: no nested loops over two transition tables, no scan of a table that was small then, and no compilation, which
-- would take seconds.
--
-- PostgreSQL adds the old and the new row of an update to the two transition tables together, and reads both in that order.
-- So the nth old row belongs to the nth new one, also if the statement updates a rule twice, as the deletion of a pack does.
--
-- The triggers' names order them before rule_derives_file_sensors and rule_zz_forgets_messages, as triggers for rows were, so
-- that locks are taken in the same order.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

do $$
declare
  here text := current_schema();
begin
  execute format($create$
    create or replace function note_updated_rules() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp set jit to off set enable_nestloop to off set enable_seqscan to off
    set plan_cache_mode to force_generic_plan as $body$
    begin
      -- As texts: jsonb takes 1.0 and 1.00 for equal, but templates write every digit.
      with changed as materialized (
        select side.id, side.trigger_ref
          from (select row_number() over () as place, id, trigger_ref,
                       case when enabled then
                         (id, ref, trigger_ref, action, action_ref, conditions, trigger_params, action_params)::text
                       end as meaning
                  from old_rule) as earlier
          join (select row_number() over () as place, id, trigger_ref,
                       case when enabled then
                         (id, ref, trigger_ref, action, action_ref, conditions, trigger_params, action_params)::text
                       end as meaning
                  from new_rule) as later using (place)
         cross join lateral (values (earlier.id, earlier.trigger_ref, earlier.meaning),
                                    (later.id, later.trigger_ref, later.meaning)) as side (id, trigger_ref, meaning)
         where earlier.meaning is distinct from later.meaning
           and side.meaning is not null
      ), noted as (
        insert into rule_change (kind, id, trigger_ref, is_effective)
        select 'rule', id, trigger_ref, true
          from changed
        on conflict (xid, kind, id, trigger_ref) do nothing
      )
      insert into rule_change_pending (xid)
      select pg_current_xact_id()
       where exists (select from changed)
      on conflict do nothing;
      return null;
    end
    $body$
  $create$, here);

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
               earlier.trigger_params -> 'paused_until' is distinct from later.trigger_params -> 'paused_until' as is_other_pause
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
          known.pauses := timer_pauses(known, known.paused_since, at);
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

  -- A rule that moves to another trigger leaves a tombstone, which is removed when it comes back.
  execute format($create$
    create or replace function owe_updated_rule_messages() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp set jit to off set enable_nestloop to off set enable_seqscan to off
    set plan_cache_mode to force_generic_plan as $body$
    declare
      used text;
      enabled_triggers text[] := '{}';
      move record;
      have_moved boolean := false;
      -- What does not count as a change beside a move.
      unremarkable constant text[] := array['enabled', 'trigger', 'trigger_ref', 'trigger_params'];
    begin
      for used in
        select trigger_ref from old_rule where enabled union select trigger_ref from new_rule where enabled order by 1
      loop
        if is_trigger_enabled(used) then
          enabled_triggers := array_append(enabled_triggers, used);
        end if;
      end loop;
      with sides as (
        select place, before.definition as before, after.definition as after,
               before.enabled and before.trigger_ref = any (enabled_triggers) as was_active,
               after.enabled and after.trigger_ref = any (enabled_triggers) as is_active,
               before.trigger_ref <> after.trigger_ref as has_moved
          from (select row_number() over () as place, enabled, trigger_ref, to_jsonb(old_rule) - 'updated' as definition
                  from old_rule) as before
          join (select row_number() over () as place, enabled, trigger_ref, to_jsonb(new_rule) - 'updated' as definition
                  from new_rule) as after
         using (place)
      ), changed as materialized (
        select *,
               before -> 'trigger_params' is distinct from after -> 'trigger_params' as has_other_params,
               has_moved and before - unremarkable is distinct from after - unremarkable as has_moved_changed
          from sides
         where before is distinct from after
      ), told as materialized (
        select nextval('rule_message_seq') as number, routing_key, (subject ->> 'id')::bigint as id, subject ->> 'ref' as ref,
               (subject ->> 'trigger')::bigint as trigger, subject ->> 'trigger_ref' as trigger_ref, is_active,
               case when jsonb_typeof(subject -> 'trigger_params') = 'object' then subject -> 'trigger_params'
                    else '{}'
               end as params
          from (select message.routing_key, message.subject, message.is_active
                  from changed
                 cross join lateral (values
                   (1, 'rule.disabled', case when has_moved then before else after end, false,
                    was_active and (has_moved or not changed.is_active)),
                   (2, 'rule.enabled', after, true,
                    changed.is_active and (has_moved or not was_active or has_other_params)),
                   (3, 'rule.updated', after, changed.is_active,
                    case when has_moved then not changed.is_active or has_moved_changed
                         else was_active = changed.is_active
                    end)) as message (turn, routing_key, subject, is_active, is_due)
                 where is_due
                 order by place, turn) as due
      ), queued as (
        insert into outbox (message_id, routing_key, body)
        select rule_message_id(installation.id, told.number), told.routing_key,
               rule_message_body(told.routing_key, told.id, told.ref, told.trigger, told.trigger_ref, told.params,
                                 told.is_active)
          from told, installation
      )
      insert into rule_message (number, routing_key, rule, rule_ref, trigger_ref, trigger_params, active)
      select number, routing_key, id, ref, trigger_ref, params, is_active
        from told;
      for move in
        select before.id, before.trigger_ref as from_trigger, before.ref, after.trigger_ref as to_trigger
          from (select row_number() over () as place, id, ref, trigger_ref from old_rule) as before
          join (select row_number() over () as place, trigger_ref from new_rule) as after using (place)
         where before.trigger_ref <> after.trigger_ref
         order by place
      loop
        have_moved := true;
        insert into rule_tombstone (rule, trigger_ref, rule_ref, is_deleted)
        values (move.id, move.from_trigger, move.ref, false)
        on conflict (trigger_ref, rule) do update
           set rule_ref = excluded.rule_ref,
               is_deleted = excluded.is_deleted,
               since = excluded.since;
        delete from rule_tombstone where trigger_ref = move.to_trigger and rule = move.id;
      end loop;
      if have_moved then
        perform forget_rule_tombstones(true);
      end if;
      return null;
    end
    $body$
  $create$, here);

  -- Without a search_path of its own, which would keep it from becoming part of the query that calls it.
  execute format($create$
    create or replace function rule_definition(rule) returns jsonb language sql stable as $body$
      select jsonb_build_object('ref', $1.ref, 'pack_ref', $1.pack_ref, 'label', $1.label, 'description', $1.description,
                                'enabled', $1.enabled, 'trigger_ref', $1.trigger_ref, 'action', $1.action::text,
                                'action_ref', $1.action_ref, 'conditions', $1.conditions,
                                'trigger_params', $1.trigger_params, 'action_params', $1.action_params)
    $body$
  $create$);

  -- As in keep_rule_history, with one definition of each rule.
  execute format($create$
    create or replace function keep_rule_versions(own xid8) returns void language plpgsql security definer
    set search_path to %1$I, pg_temp set jit to off set enable_seqscan to off
    set plan_cache_mode to force_generic_plan as $body$
    declare
      -- Null if no change of this transaction matters to matching.
      raised bigint := (select max(revision) from rule_commit where xid = own);
    begin
      with changed as materialized (
        select pending.rule, present.ref, present.trigger_ref,
               case when present.id is not null then rule_definition(present) end as definition,
               newest.rule_ref as last_ref, newest.trigger_ref as last_trigger_ref, newest.revision as last_revision,
               newest.definition as last_definition,
               raised is not null
               and exists (select
                             from rule_change
                            where rule_change.xid = own
                              and kind = 'rule'
                              and rule_change.id = pending.rule) as is_effective
          from rule_version_pending as pending
          left join rule as present
                 on present.id = pending.rule
          left join lateral (select *
                               from rule_version
                              where rule_version.rule = pending.rule
                              order by id desc
                              limit 1) as newest
                 on true
         where pending.xid = own
           and pending.rule <> 0
      )
      insert into rule_version (rule, rule_ref, trigger_ref, revision, is_effective, operation, definition, changed_by)
      select changed.rule, coalesce(changed.ref, changed.last_ref), coalesce(changed.trigger_ref, changed.last_trigger_ref),
             case when changed.is_effective then raised
                  else greatest(changed.last_revision, trigger_revision.value, 0)
             end,
             changed.is_effective,
             case when changed.definition is null then 'deleted'
                  when changed.last_definition is null then 'created'
                  else 'changed'
             end,
             changed.definition,
             coalesce(nullif(current_setting('rule.changed_by', true), ''), 'sql:' || session_user)
        from changed
        left join trigger_revision
               on trigger_revision.trigger_ref = coalesce(changed.trigger_ref, changed.last_trigger_ref)
       where changed.definition::text is distinct from changed.last_definition::text
       order by changed.rule;
      delete from rule_version_pending where xid = own;
    end
    $body$
  $create$, here);

  -- Compiling its query takes longer than running it.
  alter function owe_rule_messages() set jit to off;

  -- At once, also outside of a transaction: no rule may change between them.
  drop trigger if exists rule_notes_change on rule;
  drop trigger if exists rule_notes_timer on rule;
  drop trigger if exists rule_owes_message on rule;
  create or replace trigger rule_changed_notes_change after update on rule
    referencing old table as old_rule new table as new_rule
    for each statement execute function note_updated_rules();
  create or replace trigger rule_changed_notes_timers after update on rule
    referencing old table as old_rule new table as new_rule
    for each statement execute function note_updated_timers();
  create or replace trigger rule_changed_owes_messages after update on rule
    referencing old table as old_rule new table as new_rule
    for each statement execute function owe_updated_rule_messages();
end
$$;
