-- A change of a rule costs what changed: agents read the rules that changed after the revision they know, and a batch of events
-- depends on the triggers of its events alone.
--
-- A transaction that changes what rules or triggers mean leaves three things behind:
--
--   rule_change       one row for each rule and trigger it changed, or deleted; written with the change
--   rule_commit       its revision; drawn at the commit, while it holds the row of rule_revision
--   trigger_revision  that revision, for each trigger whose events must be matched differently now
--
-- Invariants:
--
-- 1. Revisions are drawn in the order of commits: rule_revision's row is locked from the draw to the commit. So a reader that
--    sees revision R sees every change up to R, and what is new to it has a greater revision. (Numbers drawn with the
--    change itself would miss a transaction that commits late.)
-- 2. No event is stored under a rule of its trigger that had changed before. A batch holds an advisory lock in share mode for
--    each of its triggers and then reads their revisions with a new snapshot (are_rules_current); a transaction that changes
--    them holds those locks alone from just before its commit until it is visible. Either the batch commits first, or it sees
--    the new revision and stores nothing. Nobody locks a row for it, so batches leave no multixacts and write nothing.
-- 3. Every session takes these locks in ascending order, and takes no lock that a batch may wait for while it holds one,
--    except at a commit. They are 64 in number, so that a batch of many triggers cannot exhaust the server's lock table.
--
-- Labels and descriptions of rules change nothing here. A trigger's label is copied into events, but is no reason to match
-- any again: it is read with the next change (is_effective is false).
--
-- Changes are remembered for an hour. Agents that were behind for longer read everything; so do those that know a revision that
-- this database does not, after a failover or the restoration of a backup.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

create table if not exists rule_change (
  xid          xid8 not null default pg_current_xact_id(),
  kind         text not null check (kind in ('rule', 'trigger')),
  id           bigint not null,
  -- A rule that moves to another trigger has a row for each of them, and so has a trigger that gets another ref.
  trigger_ref  text not null,
  is_effective boolean not null,
  primary key (xid, kind, id, trigger_ref)
);

create table if not exists rule_commit (
  revision bigint primary key,
  xid      xid8 not null
);
create index if not exists rule_commit_xid on rule_commit (xid);

create table if not exists trigger_revision (
  trigger_ref text primary key,
  value       bigint not null
);

-- A transaction with changes that have no revision yet: one row, so that the deferred trigger runs once.
create table if not exists rule_change_pending (
  xid xid8 primary key
);

-- The changes after this revision are all remembered.
alter table rule_revision add column if not exists known_from bigint not null default 0;
update rule_revision set known_from = value where known_from = 0;

insert into trigger_revision (trigger_ref, value)
select refs.ref, rule_revision.value
  from rule_revision, (select ref from trigger union select trigger_ref from rule) as refs
on conflict do nothing;

do $$
declare
  here text := current_schema();
begin
  execute format($create$
    create or replace function rule_lock(trigger_ref text) returns int language sql immutable parallel safe as $body$
      select (hashtextextended(trigger_ref, 0) & 63)::int
    $body$
  $create$);

  execute format($create$
    create or replace function note_rule_change() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      was text;
      now_is text;
    begin
      if tg_op = 'TRUNCATE' then
        if tg_table_name = 'rule' then
          insert into rule_change (kind, id, trigger_ref, is_effective)
          select 'rule', id, trigger_ref, true from rule where enabled
          on conflict (xid, kind, id, trigger_ref) do update set is_effective = true;
        else
          insert into rule_change (kind, id, trigger_ref, is_effective)
          select 'trigger', id, ref, true from trigger
          on conflict (xid, kind, id, trigger_ref) do update set is_effective = true;
        end if;
      elsif tg_table_name = 'rule' then
        -- As texts: jsonb takes 1.0 and 1.00 for equal, but templates write every digit.
        if tg_op <> 'INSERT' and old.enabled then
          was := (old.id, old.ref, old.trigger_ref, old.action, old.action_ref, old.conditions, old.trigger_params,
                  old.action_params)::text;
        end if;
        if tg_op <> 'DELETE' and new.enabled then
          now_is := (new.id, new.ref, new.trigger_ref, new.action, new.action_ref, new.conditions, new.trigger_params,
                     new.action_params)::text;
        end if;
        if was is not distinct from now_is then
          return null;
        end if;
        insert into rule_change (kind, id, trigger_ref, is_effective)
        select 'rule', id, trigger_ref, true
          from (select old.id, old.trigger_ref where was is not null
                 union
                select new.id, new.trigger_ref where now_is is not null) as sides
        on conflict (xid, kind, id, trigger_ref) do nothing;
      else
        if tg_op <> 'INSERT' then
          was := (old.id, old.ref, old.enabled, old.param_schema, old.out_schema)::text;
        end if;
        if tg_op <> 'DELETE' then
          now_is := (new.id, new.ref, new.enabled, new.param_schema, new.out_schema)::text;
        end if;
        if tg_op = 'UPDATE' and was = now_is and old.label is not distinct from new.label then
          return null;
        end if;
        insert into rule_change (kind, id, trigger_ref, is_effective)
        select 'trigger', id, ref, was is distinct from now_is
          from (select old.id, old.ref where tg_op <> 'INSERT'
                 union
                select new.id, new.ref where tg_op <> 'DELETE') as sides
        on conflict (xid, kind, id, trigger_ref) do update
           set is_effective = true
         where excluded.is_effective;
      end if;
      insert into rule_change_pending (xid) values (pg_current_xact_id()) on conflict do nothing;
      return null;
    end
    $body$
  $create$, here);

  -- At the commit, once; again if constraints were made immediate and more changes followed.
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

  -- At most a hundred transactions' changes at a time. After the restoration of a dump a transaction may have the number of
  -- an older one, and shares its rows.
  execute format($create$
    create or replace function forget_rule_changes(up_to bigint) returns void language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      change record;
    begin
      update rule_revision set known_from = up_to where known_from < up_to;
      for change in select revision, xid from rule_commit where revision <= up_to order by revision limit 100 loop
        delete from rule_commit where revision = change.revision;
        continue when exists (select from rule_commit where xid = change.xid);
        delete from trigger_revision
         where value <= up_to
           and trigger_ref in (select trigger_ref from rule_change where xid = change.xid)
           and not exists (select from trigger where ref = trigger_revision.trigger_ref)
           and not exists (select from rule where rule.trigger_ref = trigger_revision.trigger_ref);
        delete from rule_change where xid = change.xid;
      end loop;
    end
    $body$
  $create$, here);

  -- Whether these revisions of triggers, by their refs, are the newest; they stay so until the transaction ends.
  -- A volatile function's queries see what was committed before each of them began, so the last one sees every change whose
  -- locks were waited for.
  execute format($create$
    create or replace function are_rules_current(known jsonb) returns boolean language plpgsql volatile
    set search_path to %1$I, pg_temp as $body$
    declare
      lock_number int;
    begin
      for lock_number in
        select distinct rule_lock(trigger_ref) as number from jsonb_object_keys(known) as trigger_ref order by number
      loop
        perform pg_advisory_xact_lock_shared(hashtextextended(%2$L || lock_number, 4));
      end loop;
      return not exists (
        select
          from jsonb_each_text(known) as expected (trigger_ref, value)
          left join trigger_revision using (trigger_ref)
         where coalesce(trigger_revision.value, 0) <> expected.value::bigint);
    end
    $body$
  $create$, here, here || '.');
end
$$;

drop trigger if exists rule_raises_revision on rule;
drop trigger if exists trigger_raises_revision on trigger;
drop trigger if exists rule_truncated_raises_revision on rule;
drop trigger if exists trigger_truncated_raises_revision on trigger;

do $$
declare
  source text;
begin
  foreach source in array array['rule', 'trigger'] loop
    execute format('drop trigger if exists %1$s_notes_change on %1$I', source);
    execute format('create trigger %1$s_notes_change after insert or update or delete on %1$I
                    for each row execute function note_rule_change()', source);
    execute format('drop trigger if exists %1$s_truncated_notes_change on %1$I', source);
    execute format('create trigger %1$s_truncated_notes_change before truncate on %1$I
                    for each statement execute function note_rule_change()', source);
  end loop;
end
$$;

drop trigger if exists rule_change_raises_revision on rule_change_pending;
create constraint trigger rule_change_raises_revision after insert on rule_change_pending
  deferrable initially deferred for each row execute function raise_rule_revision();
