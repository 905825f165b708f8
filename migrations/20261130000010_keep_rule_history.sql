-- Every version of a rule is kept, and every event knows the revision that it was matched at. So the rules as they were for an
-- event can be read at any time.
--
--   rule_version           a rule as it was from one commit to the next; definition is null once it is deleted
--   rule_version_pending   the rules that a transaction has changed so far; emptied at its commit
--   event.matched_revision the revision of the event's trigger at which it was matched; null for events from before
--
-- Invariants:
--
-- 1. A version is written at the commit, by the transaction that changed the rule: one for each rule, however often the
--    transaction changed it, and none if the rule is what it was. The versions of a rule have ascending ids.
-- 2. A change that matters to matching carries its transaction's revision (is_effective). So the rules of an event are, for
--    each rule, the newest effective version with a revision up to the event's. Other changes (a label, or anything about a
--    disabled rule) carry the present revision of the rule's trigger, because they raise none; their time places them.
-- 3. Storing events costs no further statement and no further lock.
--
-- The versions are written while the transaction holds rule_revision, but before it makes batches wait (raise_rule_revision).

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

create table if not exists rule_version (
  id           bigint generated always as identity primary key,
  -- No foreign key: versions outlive their rule.
  rule         bigint not null,
  rule_ref     text not null,
  trigger_ref  text not null,
  revision     bigint not null,
  is_effective boolean not null,
  -- found: it existed when this table was made
  operation    text not null check (operation in ('found', 'created', 'changed', 'deleted')),
  definition   jsonb,
  changed_at   timestamptz not null default now(),
  -- api:<login>, revert:<login>, pack:<ref>, packs load:<role>, sql:<role>; from rule.changed_by in the transaction
  changed_by   text not null
);
create index if not exists rule_version_rule on rule_version (rule, id);
create index if not exists rule_version_ref on rule_version (rule_ref, id);
create index if not exists rule_version_trigger on rule_version (trigger_ref, rule);
create index if not exists rule_version_changed on rule_version (changed_at);

create table if not exists rule_version_pending (
  xid  xid8 not null,
  -- 0 in the one row of each transaction that makes the deferred trigger run
  rule bigint not null,
  primary key (xid, rule)
);

do $$
declare
  here text := current_schema();
begin
  execute format($create$
    create or replace function rule_definition(rule) returns jsonb language sql stable
    set search_path to %1$I, pg_temp as $body$
      select jsonb_build_object('ref', $1.ref, 'pack_ref', $1.pack_ref, 'label', $1.label, 'description', $1.description,
                                'enabled', $1.enabled, 'trigger_ref', $1.trigger_ref, 'action', $1.action::text,
                                'action_ref', $1.action_ref, 'conditions', $1.conditions,
                                'trigger_params', $1.trigger_params, 'action_params', $1.action_params)
    $body$
  $create$, here);

  execute format($create$
    create or replace function note_rule_version() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      own xid8 := pg_current_xact_id();
    begin
      if tg_op = 'INSERT' then
        insert into rule_version_pending (xid, rule)
        select own, id from new_rule on conflict do nothing;
      elsif tg_op = 'DELETE' then
        insert into rule_version_pending (xid, rule)
        select own, id from old_rule on conflict do nothing;
      elsif tg_op = 'TRUNCATE' then
        insert into rule_version_pending (xid, rule)
        select own, id from rule on conflict do nothing;
      else
        -- As texts: jsonb takes 1.0 and 1.00 for equal, but templates write every digit.
        insert into rule_version_pending (xid, rule)
        select own, coalesce(later.id, earlier.id)
          from new_rule as later
          full join old_rule as earlier
                 on earlier.id = later.id
         where (later.ref, later.pack_ref, later.label, later.description, later.enabled, later.trigger_ref, later.action,
                later.action_ref, later.conditions, later.trigger_params, later.action_params)::text
               is distinct from
               (earlier.ref, earlier.pack_ref, earlier.label, earlier.description, earlier.enabled, earlier.trigger_ref,
                earlier.action, earlier.action_ref, earlier.conditions, earlier.trigger_params, earlier.action_params)::text
        on conflict do nothing;
      end if;
      if exists (select from rule_version_pending where xid = own) then
        insert into rule_version_pending (xid, rule) values (own, 0) on conflict do nothing;
      end if;
      return null;
    end
    $body$
  $create$, here);

  -- Writes the versions of the rules that this transaction has changed.
  execute format($create$
    create or replace function keep_rule_versions(own xid8) returns void language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      -- Null if no change of this transaction matters to matching.
      raised bigint := (select max(revision) from rule_commit where xid = own);
    begin
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
        from (select pending.rule, present.ref, present.trigger_ref,
                     case when present.id is not null then rule_definition(present) end as definition,
                     newest.rule_ref as last_ref, newest.trigger_ref as last_trigger_ref,
                     newest.revision as last_revision, newest.definition as last_definition,
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
                 and pending.rule <> 0) as changed
        left join trigger_revision
               on trigger_revision.trigger_ref = coalesce(changed.trigger_ref, changed.last_trigger_ref)
       where changed.definition::text is distinct from changed.last_definition::text
       order by changed.rule;
      delete from rule_version_pending where xid = own;
    end
    $body$
  $create$, here);

  -- At the commit. A transaction that still has to raise its revision writes the versions then.
  execute format($create$
    create or replace function keep_pending_versions() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      own xid8 := pg_current_xact_id();
    begin
      if not exists (select from rule_change_pending where xid = own) then
        perform keep_rule_versions(own);
      end if;
      return null;
    end
    $body$
  $create$, here);

  -- As in log_rule_changes, and the versions are kept.
  execute format($create$
    create or replace function raise_rule_revision() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      own xid8 := pg_current_xact_id();
      raised bigint;
      forgotten bigint;
      lock_number int;
    begin
      delete from rule_change_pending where xid = own;
      update rule_revision
         set value = greatest(value + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint),
             raised_by = own
       where raised_by is distinct from own
      returning value into raised;
      if found then
        insert into rule_commit (revision, xid) values (raised, own);
        -- A revision is a time in microseconds.
        select max(revision) into forgotten from rule_commit where revision < raised - 3600000000;
        if forgotten is not null then
          perform forget_rule_changes(forgotten);
        end if;
      else
        select value into raised from rule_revision;
      end if;
      insert into trigger_revision (trigger_ref, value)
      select distinct trigger_ref, raised
        from rule_change
       where xid = own
         and is_effective
      on conflict (trigger_ref) do update set value = excluded.value;
      perform keep_rule_versions(own);
      -- Last: from here to the commit, batches with events of these triggers wait.
      for lock_number in
        select distinct rule_lock(trigger_ref) as number from rule_change where xid = own and is_effective order by number
      loop
        perform pg_advisory_xact_lock(hashtextextended(%2$L || lock_number, 4));
      end loop;
      return null;
    end
    $body$
  $create$, here, here || '.');
end
$$;

drop trigger if exists rule_version_is_kept on rule_version_pending;
create constraint trigger rule_version_is_kept after insert on rule_version_pending
  deferrable initially deferred for each row when (new.rule = 0) execute function keep_pending_versions();

-- In one transaction: no change of a rule comes between the triggers and the versions found.
do $$
begin
  drop trigger if exists rule_notes_version_inserted on rule;
  create trigger rule_notes_version_inserted after insert on rule
    referencing new table as new_rule for each statement execute function note_rule_version();
  drop trigger if exists rule_notes_version_updated on rule;
  create trigger rule_notes_version_updated after update on rule
    referencing old table as old_rule new table as new_rule for each statement execute function note_rule_version();
  drop trigger if exists rule_notes_version_deleted on rule;
  create trigger rule_notes_version_deleted after delete on rule
    referencing old table as old_rule for each statement execute function note_rule_version();
  drop trigger if exists rule_notes_version_truncated on rule;
  create trigger rule_notes_version_truncated before truncate on rule
    for each statement execute function note_rule_version();

  insert into rule_version (rule, rule_ref, trigger_ref, revision, is_effective, operation, definition, changed_by)
  select rule.id, rule.ref, rule.trigger_ref, coalesce(trigger_revision.value, 0), true, 'found', rule_definition(rule),
         'migration'
    from rule
    left join trigger_revision
           on trigger_revision.trigger_ref = rule.trigger_ref
   where not exists (select from rule_version where rule_version.rule = rule.id)
   order by rule.id;
end
$$;

do $$
begin
  if exists (select
               from pg_attribute
              where attrelid = to_regclass('event')
                and attname = 'matched_revision'
                and not attisdropped) then
    return;
  end if;
  loop
    begin
      perform set_config('lock_timeout', '20ms', true);
      alter table event add column matched_revision bigint;
      exit;
    exception when lock_not_available then
      perform pg_sleep(0.2 + 0.3 * random());
    end;
  end loop;
  perform set_config('lock_timeout', '0', true);
end
$$;
