-- Many rules are created and deleted in one statement: triggers for statements in place of those for rows, which took 0.45 ms
-- a rule. What they write is the same:
--
--   rule_change            as in log_rule_changes
--   timer_rule             as in keep_timers
--   outbox, rule_message   as in tell_sensors_of_rules; numbers have the order in which the statement wrote the rules
--
-- Updates keep their triggers for rows, in the functions of those migrations: transition tables do not say which old row
-- belongs to which new one, and deleting a pack may update a rule twice within one statement.
--
-- The names of the triggers order them before rule_derives_file_sensors and rule_zz_forgets_messages, as triggers for rows
-- were, so that locks are taken in the same order.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

do $$
declare
  here text := current_schema();
begin
  -- Version 8 of RFC 9562: the installation's first 48 bits, kind 3 (rule change), and the sequence number.
  -- src/model/identifiers.ts builds the other kinds alike.
  execute format($create$
    create or replace function rule_message_id(installation uuid, number bigint) returns uuid language sql stable as $body$
      select (left(installation::text, 13) || '-8003-' || to_hex(32768 + (number >> 48)) || '-'
              || lpad(to_hex(number & 281474976710655), 12, '0'))::uuid
    $body$
  $create$);

  execute format($create$
    create or replace function rule_message_body(routing_key text, id bigint, ref text, trigger bigint, trigger_ref text,
                                                 trigger_params jsonb, is_active boolean)
    returns jsonb language sql volatile as $body$
      select jsonb_build_object(
               -- rule.created is RuleCreated.
               'message_type', replace(initcap($1), '.', ''),
               'timestamp', to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'payload', jsonb_build_object(
                 'rule_id', $2, 'rule_ref', $3, 'trigger_id', $4, 'trigger_ref', $5, 'trigger_params', $6,
                 'enabled', $7))
    $body$
  $create$);

  execute format($create$
    create or replace function tell_sensors(subject rule, routing_key text, is_active boolean) returns void language plpgsql
    set search_path to %1$I, pg_temp as $body$
    declare
      number bigint := nextval('rule_message_seq');
      params jsonb := case when jsonb_typeof(subject.trigger_params) = 'object' then subject.trigger_params else '{}' end;
    begin
      insert into outbox (message_id, routing_key, body)
      select rule_message_id(installation.id, number), tell_sensors.routing_key,
             rule_message_body(tell_sensors.routing_key, subject.id, subject.ref, subject.trigger, subject.trigger_ref,
                               params, is_active)
        from installation;
      insert into rule_message (number, routing_key, rule, rule_ref, trigger_ref, trigger_params, active)
      values (number, routing_key, subject.id, subject.ref, subject.trigger_ref, params, is_active);
    end
    $body$
  $create$, here);

  execute format($create$
    create or replace function note_rule_changes() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    begin
      if tg_op = 'INSERT' then
        if not exists (select from new_rule where enabled) then
          return null;
        end if;
        insert into rule_change (kind, id, trigger_ref, is_effective)
        select 'rule', id, trigger_ref, true
          from new_rule
         where enabled
        on conflict (xid, kind, id, trigger_ref) do nothing;
      else
        if not exists (select from old_rule where enabled) then
          return null;
        end if;
        insert into rule_change (kind, id, trigger_ref, is_effective)
        select 'rule', id, trigger_ref, true
          from old_rule
         where enabled
        on conflict (xid, kind, id, trigger_ref) do nothing;
      end if;
      insert into rule_change_pending (xid) values (pg_current_xact_id()) on conflict do nothing;
      return null;
    end
    $body$
  $create$, here);

  -- A timer's schedule counts from when it was created, so each has a time of its own.
  execute format($create$
    create or replace function note_created_timers() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      used text;
      enabled_triggers text[] := '{}';
    begin
      for used in
        select distinct trigger_ref from new_rule where is_timer(trigger_ref) and enabled order by trigger_ref
      loop
        if is_trigger_enabled(used) then
          enabled_triggers := array_append(enabled_triggers, used);
        end if;
      end loop;
      insert into timer_rule (rule, schedule_since, disabled_since, paused_since)
      select created.id, created.at, case when not created.is_active then created.at end,
             case when created.is_paused then created.at end
        from (select id, date_trunc('milliseconds', clock_timestamp()) as at,
                     enabled and trigger_ref = any (enabled_triggers) as is_active,
                     coalesce(jsonb_typeof(trigger_params -> 'paused_until'), 'null') <> 'null' as is_paused
                from new_rule
               where is_timer(trigger_ref)) as created
      on conflict (rule) do update
         set schedule_since = excluded.schedule_since,
             disabled_since = excluded.disabled_since,
             paused_since = excluded.paused_since,
             pauses = '{}';
      return null;
    end
    $body$
  $create$, here);

  execute format($create$
    create or replace function owe_rule_messages() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      used text;
      enabled_triggers text[] := '{}';
    begin
      if tg_op = 'INSERT' then
        for used in select distinct trigger_ref from new_rule where enabled order by trigger_ref loop
          if is_trigger_enabled(used) then
            enabled_triggers := array_append(enabled_triggers, used);
          end if;
        end loop;
        with told as materialized (
          select nextval('rule_message_seq') as number, id, ref, trigger, trigger_ref,
                 case when jsonb_typeof(trigger_params) = 'object' then trigger_params else '{}' end as params,
                 enabled and trigger_ref = any (enabled_triggers) as is_active
            from new_rule
        ), queued as (
          insert into outbox (message_id, routing_key, body)
          select rule_message_id(installation.id, told.number), 'rule.created',
                 rule_message_body('rule.created', told.id, told.ref, told.trigger, told.trigger_ref, told.params,
                                   told.is_active)
            from told, installation
        )
        insert into rule_message (number, routing_key, rule, rule_ref, trigger_ref, trigger_params, active)
        select number, 'rule.created', id, ref, trigger_ref, params, is_active
          from told;
      else
        with told as materialized (
          select nextval('rule_message_seq') as number, id, ref, trigger, trigger_ref,
                 case when jsonb_typeof(trigger_params) = 'object' then trigger_params else '{}' end as params
            from old_rule
        ), queued as (
          insert into outbox (message_id, routing_key, body)
          select rule_message_id(installation.id, told.number), 'rule.deleted',
                 rule_message_body('rule.deleted', told.id, told.ref, told.trigger, told.trigger_ref, told.params, false)
            from told, installation
        ), kept as (
          insert into rule_message (number, routing_key, rule, rule_ref, trigger_ref, trigger_params, active)
          select number, 'rule.deleted', id, ref, trigger_ref, params, false
            from told
        )
        insert into rule_tombstone (rule, trigger_ref, rule_ref, is_deleted)
        select id, trigger_ref, ref, true
          from told
        on conflict (trigger_ref, rule) do update
           set rule_ref = excluded.rule_ref,
               is_deleted = excluded.is_deleted,
               since = excluded.since;
      end if;
      return null;
    end
    $body$
  $create$, here);

  -- At once, also outside of a transaction: no rule may change between them.
  create or replace trigger rule_notes_change after update on rule
    for each row execute function note_rule_change();
  create or replace trigger rule_notes_timer after update on rule
    for each row execute function note_timer_rule();
  create or replace trigger rule_owes_message after update on rule
    for each row execute function owe_rule_message();

  create or replace trigger rule_created_notes_change after insert on rule
    referencing new table as new_rule
    for each statement execute function note_rule_changes();
  create or replace trigger rule_created_notes_timers after insert on rule
    referencing new table as new_rule
    for each statement execute function note_created_timers();
  create or replace trigger rule_created_owes_messages after insert on rule
    referencing new table as new_rule
    for each statement execute function owe_rule_messages();
  create or replace trigger rule_deleted_notes_change after delete on rule
    referencing old table as old_rule
    for each statement execute function note_rule_changes();
  create or replace trigger rule_deleted_owes_messages after delete on rule
    referencing old table as old_rule
    for each statement execute function owe_rule_messages();
end
$$;
