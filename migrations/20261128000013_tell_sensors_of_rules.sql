-- What sensors are told about rules: which messages each change owes, by what a sensor has to do. A rule is active if it is
-- enabled and its trigger is not disabled.
--
--   before     after                                    messages
--   -          created                                  rule.created
--   inactive   active                                   rule.enabled
--   active     inactive                                 rule.disabled
--   active     active, other trigger_params             rule.enabled, rule.updated
--   active     active, other trigger                    rule.disabled with the old trigger, rule.enabled,
--                                                       rule.updated if anything else has changed
--   active     inactive, other trigger                  rule.disabled with the old trigger, rule.updated
--   any        changed otherwise                        rule.updated
--   any        deleted                                  rule.deleted
--
-- Each message goes to the outbox, for the broker, and to rule_message, for sensors connected to an agent (/ws). Numbers are
-- drawn while the rule's row is locked, so that messages of one rule have the order of its changes.
--
-- Who may change rules need not have rights on what follows from it: the triggers' functions run as their owner.
--
-- A sensor that was not connected for a while is told the state of its rules and, from rule_tombstone, which of them are gone.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

-- The newest messages. A reader remembers the snapshot that it read last and finds what is new by xid; numbers alone are not
-- visible in their order.
create table if not exists rule_message (
  -- As in the message's id. After the restoration of a backup a number may come again.
  number         bigint not null,
  xid            xid8 not null default pg_current_xact_id(),
  routing_key    text not null,
  rule           bigint not null,
  rule_ref       text not null,
  trigger_ref    text not null,
  trigger_params jsonb not null,
  active         boolean not null,
  created        timestamptz not null default clock_timestamp(),
  primary key (xid, number)
);
create index if not exists rule_message_number on rule_message (number);

-- Rules that a trigger no longer has.
create table if not exists rule_tombstone (
  rule        bigint not null,
  trigger_ref text not null,
  rule_ref    text not null,
  -- False: the rule has moved to another trigger.
  is_deleted  boolean not null,
  since       timestamptz not null default clock_timestamp(),
  primary key (trigger_ref, rule)
);
create index if not exists rule_tombstone_since on rule_tombstone (since);

create index if not exists rule_of_trigger on rule (trigger_ref);

do $$
declare
  here text := current_schema();
begin
  -- The message's id is version 8 of RFC 9562: the installation's first 48 bits, kind 3 (rule
  -- change), and the sequence number. src/model/identifiers.ts builds the other kinds alike.
  execute format($create$
    create or replace function tell_sensors(subject rule, routing_key text, is_active boolean) returns void language plpgsql
    set search_path to %1$I, pg_temp as $body$
    declare
      number bigint := nextval('rule_message_seq');
      params jsonb := case when jsonb_typeof(subject.trigger_params) = 'object' then subject.trigger_params else '{}' end;
    begin
      insert into outbox (message_id, routing_key, body)
      select (substr(i.hex, 1, 8) || '-' || substr(i.hex, 9, 4) || '-8003-'
              || to_hex(32768 + (number >> 48)) || '-' || lpad(to_hex(number & 281474976710655), 12, '0'))::uuid,
             tell_sensors.routing_key,
             jsonb_build_object(
               -- rule.created is RuleCreated.
               'message_type', replace(initcap(tell_sensors.routing_key), '.', ''),
               'timestamp', to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'payload', jsonb_build_object(
                 'rule_id', subject.id, 'rule_ref', subject.ref,
                 'trigger_id', subject.trigger, 'trigger_ref', subject.trigger_ref,
                 'trigger_params', params, 'enabled', is_active))
        from (select replace(id::text, '-', '') as hex from installation) as i;
      insert into rule_message (number, routing_key, rule, rule_ref, trigger_ref, trigger_params, active)
      values (number, routing_key, subject.id, subject.ref, subject.trigger_ref, params, is_active);
    end
    $body$
  $create$, here);

  -- A trigger that nobody has described disables nothing.
  --
  -- Disabling a trigger and enabling one of its rules at the same time must not miss each other: who changes a rule holds
  -- the trigger's lock in share mode until the commit, who changes the trigger holds it alone.
  execute format($create$
    create or replace function is_trigger_enabled(trigger_ref text) returns boolean language plpgsql
    set search_path to %1$I, pg_temp as $body$
    begin
      perform pg_advisory_xact_lock_shared(hashtextextended(%2$L || is_trigger_enabled.trigger_ref, 3));
      return coalesce((select enabled from trigger where ref = is_trigger_enabled.trigger_ref), true);
    end
    $body$
  $create$, here, here || '.');

  execute format($create$
    create or replace function bury_rule(subject rule, is_deleted boolean) returns void language sql
    set search_path to %1$I, pg_temp as $body$
      insert into rule_tombstone (rule, trigger_ref, rule_ref, is_deleted)
      values (subject.id, subject.trigger_ref, subject.ref, is_deleted)
      on conflict (trigger_ref, rule) do update
         set rule_ref = excluded.rule_ref,
             is_deleted = excluded.is_deleted,
             since = excluded.since
    $body$
  $create$, here);

  execute format($create$
    create or replace function owe_rule_message() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      was_active boolean;
      is_active boolean;
      unremarkable text[] := array['updated', 'enabled', 'trigger', 'trigger_ref', 'trigger_params'];
    begin
      if tg_op = 'DELETE' then
        perform tell_sensors(old, 'rule.deleted', false);
        perform bury_rule(old, true);
        return null;
      end if;
      is_active := new.enabled and is_trigger_enabled(new.trigger_ref);
      if tg_op = 'INSERT' then
        perform tell_sensors(new, 'rule.created', is_active);
        return null;
      end if;
      if to_jsonb(old) - 'updated' is not distinct from to_jsonb(new) - 'updated' then
        return null;
      end if;

      was_active := old.enabled and is_trigger_enabled(old.trigger_ref);
      if old.trigger_ref <> new.trigger_ref then
        perform bury_rule(old, false);
        delete from rule_tombstone where rule = new.id and trigger_ref = new.trigger_ref;
        if was_active then
          perform tell_sensors(old, 'rule.disabled', false);
        end if;
        if is_active then
          perform tell_sensors(new, 'rule.enabled', true);
        end if;
        if not is_active or to_jsonb(old) - unremarkable is distinct from to_jsonb(new) - unremarkable then
          perform tell_sensors(new, 'rule.updated', is_active);
        end if;
      elsif is_active and not was_active then
        perform tell_sensors(new, 'rule.enabled', true);
      elsif was_active and not is_active then
        perform tell_sensors(new, 'rule.disabled', false);
      else
        if is_active and old.trigger_params is distinct from new.trigger_params then
          perform tell_sensors(new, 'rule.enabled', true);
        end if;
        perform tell_sensors(new, 'rule.updated', is_active);
      end if;
      return null;
    end
    $body$
  $create$, here);

  execute format($create$
    create or replace function owe_truncated_rules() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      subject rule;
    begin
      for subject in select * from rule order by id loop
        perform tell_sensors(subject, 'rule.deleted', false);
        perform bury_rule(subject, true);
      end loop;
      return null;
    end
    $body$
  $create$, here);

  -- Its enabled rules are in force with the trigger, and no longer without it.
  execute format($create$
    create or replace function owe_trigger_messages() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      change record;
      subject rule;
    begin
      for change in
        select ref, bool_and(enabled) filter (where not is_after) as was_enabled,
               bool_and(enabled) filter (where is_after) as is_enabled
          from (select old.ref, old.enabled, false as is_after where tg_op <> 'INSERT'
                 union all
                select new.ref, new.enabled, true where tg_op <> 'DELETE') as sides
         group by ref
         order by ref
      loop
        continue when coalesce(change.was_enabled, true) = coalesce(change.is_enabled, true);
        perform pg_advisory_xact_lock(hashtextextended(%2$L || change.ref, 3));
        for subject in select * from rule where trigger_ref = change.ref and enabled order by id loop
          if coalesce(change.is_enabled, true) then
            perform tell_sensors(subject, 'rule.enabled', true);
          else
            perform tell_sensors(subject, 'rule.disabled', false);
          end if;
        end loop;
      end loop;
      return null;
    end
    $body$
  $create$, here, here || '.');

  -- Readers of rule_message are never behind by this much; those of tombstones have tokens that last three days.
  -- `skip locked`: somebody else forgets these.
  execute format($create$
    create or replace function forget_rule_messages() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    begin
      delete from rule_message
       where ctid = any (array(
               select ctid
                 from rule_message
                where number < (select max(number) from rule_message) - 10000
                  and created < now() - interval '1 hour'
                order by number
                limit 10000
                  for update skip locked));
      delete from rule_tombstone
       where ctid = any (array(
               select ctid
                 from rule_tombstone
                where since < greatest(now() - interval '7 days',
                                       (select since from rule_tombstone order by since desc offset 10000 limit 1))
                order by since
                limit 10000
                  for update skip locked));
      return null;
    end
    $body$
  $create$, here);
end
$$;

drop trigger if exists rule_owes_messages_when_truncated on rule;
create trigger rule_owes_messages_when_truncated before truncate on rule
  for each statement execute function owe_truncated_rules();

drop trigger if exists trigger_owes_rule_messages on trigger;
create trigger trigger_owes_rule_messages after insert or delete or update of ref, enabled on trigger
  for each row execute function owe_trigger_messages();

-- By its name after the triggers that add messages.
drop trigger if exists rule_zz_forgets_messages on rule;
create trigger rule_zz_forgets_messages after insert or update or delete on rule
  for each statement execute function forget_rule_messages();
