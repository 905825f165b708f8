-- Changes to definitions reach running agents: they raise the rule revision, owe rule messages, and notify.
--
-- The revision is raised at commit (deferred constraint triggers), so that a transaction left open
-- over a rule never holds up the events of others: between the raise and the commit lie microseconds.
-- An event batch holds the revision row in share mode while it commits; so every event is matched
-- either against the rules before a change and committed before it, or against those after.
--
-- A notification is only a hint to look: everything it announces can be read from the rows.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

create table if not exists rule_revision (
  singleton      boolean primary key default true check (singleton),
  value          bigint not null default 1,
  raised_by      xid8
);
insert into rule_revision default values on conflict do nothing;

create sequence if not exists rule_message_seq;

-- Functions find their tables through their own schema, whatever search path the caller has.
do $$
declare
  here text := current_schema();
begin
  execute format($create$
    create or replace function raise_rule_revision() returns trigger language plpgsql
    set search_path to %1$I, pg_temp as $body$
    begin
      -- Once per transaction is enough, however many rows it changed.
      update rule_revision
         set value = value + 1,
             raised_by = pg_current_xact_id()
       where raised_by is distinct from pg_current_xact_id();
      return null;
    end
    $body$
  $create$, here);

  execute format($create$
    create or replace function notify_change() returns trigger language plpgsql as $body$
    begin
      perform pg_notify(%2$L, tg_table_name);
      return null;
    end
    $body$
  $create$, here, here || '_change');

  execute format($create$
    create or replace function touch_updated() returns trigger language plpgsql as $body$
    begin
      new.updated := now();
      return new;
    end
    $body$
  $create$);

  execute format($create$
    create or replace function refuse_change() returns trigger language plpgsql as $body$
    begin
      raise exception 'an event is immutable (id %%)', old.id using errcode = 'restrict_violation';
    end
    $body$
  $create$);

  -- The message's id is version 8 of RFC 9562: the installation's first 48 bits, kind 3 (rule
  -- change), and the sequence number. src/model/identifiers.ts builds the other kinds alike.
  execute format($create$
    create or replace function owe_rule_message() returns trigger language plpgsql
    set search_path to %1$I, pg_temp as $body$
    declare
      subject rule;
      message_type text;
      routing_key text;
      number bigint;
    begin
      if tg_op = 'INSERT' then
        subject := new; message_type := 'RuleCreated'; routing_key := 'rule.created';
      elsif tg_op = 'DELETE' then
        subject := old; message_type := 'RuleDeleted'; routing_key := 'rule.deleted';
      elsif new.enabled and not old.enabled then
        subject := new; message_type := 'RuleEnabled'; routing_key := 'rule.enabled';
      elsif old.enabled and not new.enabled then
        subject := new; message_type := 'RuleDisabled'; routing_key := 'rule.disabled';
      elsif to_jsonb(old) - 'updated' is distinct from to_jsonb(new) - 'updated' then
        subject := new; message_type := 'RuleUpdated'; routing_key := 'rule.updated';
      else
        return null;
      end if;
      number := nextval('rule_message_seq');
      insert into outbox (message_id, routing_key, body)
      select (substr(i.hex, 1, 8) || '-' || substr(i.hex, 9, 4) || '-8003-'
              || to_hex(32768 + (number >> 48)) || '-' || lpad(to_hex(number & 281474976710655), 12, '0'))::uuid,
             routing_key,
             jsonb_build_object(
               'message_type', message_type,
               'timestamp', to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'payload', jsonb_build_object(
                 'rule_id', subject.id, 'rule_ref', subject.ref,
                 'trigger_id', subject.trigger, 'trigger_ref', subject.trigger_ref,
                 'trigger_params', subject.trigger_params,
                 'enabled', subject.enabled and tg_op <> 'DELETE'))
        from (select replace(id::text, '-', '') as hex from installation) as i;
      return null;
    end
    $body$
  $create$, here);
end
$$;

do $$
declare
  source text;
begin
  foreach source in array array['rule', 'trigger'] loop
    execute format('drop trigger if exists %1$s_raises_revision on %1$I', source);
    execute format('create constraint trigger %1$s_raises_revision after insert or update or delete on %1$I
                    deferrable initially deferred for each row execute function raise_rule_revision()', source);
    execute format('drop trigger if exists %1$s_truncated_raises_revision on %1$I', source);
    execute format('create trigger %1$s_truncated_raises_revision after truncate on %1$I
                    for each statement execute function raise_rule_revision()', source);
  end loop;

  foreach source in array array['rule', 'trigger', 'sensor', 'runtime', 'sensor_trigger'] loop
    execute format('drop trigger if exists %1$s_notifies on %1$I', source);
    execute format('create trigger %1$s_notifies after insert or update or delete or truncate on %1$I
                    for each statement execute function notify_change()', source);
  end loop;

  foreach source in array array['pack', 'runtime', 'trigger', 'sensor', 'action', 'rule', 'worker', 'enforcement'] loop
    execute format('drop trigger if exists %1$s_touches_updated on %1$I', source);
    execute format('create trigger %1$s_touches_updated before update on %1$I
                    for each row execute function touch_updated()', source);
  end loop;
end
$$;

-- Renewing a lease names none of these columns and so wakes nobody.
drop trigger if exists sensor_assignment_notifies on sensor_assignment;
create trigger sensor_assignment_notifies
  after insert or delete or update of worker, instance, generation on sensor_assignment
  for each statement execute function notify_change();

drop trigger if exists rule_owes_message on rule;
create trigger rule_owes_message after insert or update or delete on rule
  for each row execute function owe_rule_message();

drop trigger if exists event_is_immutable on event;
create trigger event_is_immutable before update on event
  for each row execute function refuse_change();
