-- What operators do to partitions stops nobody: one that was renamed is found again after it was retired, one that belongs to
-- another role is no obstacle to the look at all partitions, and a default partition that was dropped is made anew.
--
-- And a change of rules is never taken for one that has its revision. raised_by was the number of the transaction that raised the
-- revision last; after the restoration of a dump into another server, a later transaction may have the same number.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

-- Adds a partition for the keys from `first` up to `beyond`, which is exclusive; without them, the default partition. Creating
-- the table apart and attaching it then lets others store meanwhile. Agents that do not own the schema may call it: it can do
-- nothing else.
create or replace function add_partition(parent text, first bigint, beyond bigint) returns text
language plpgsql security definer as $$
declare
  name text := case when first is null then parent || '_default' else format('%s_from_%s', parent, first) end;
begin
  if not exists (select from pg_partitioned_table where partrelid = to_regclass(format('%I.%I', current_schema(), parent))) then
    raise exception 'there is no partitioned table %', parent using errcode = 'undefined_table';
  end if;
  perform make_partition(parent, name);
  execute format('alter table %I attach partition %I %s', parent, name,
                 case when first is null then 'default' else format('for values from (%s) to (%s)', first, beyond) end);
  return name;
end
$$;

-- The partitions of a table and what has been retired from it, oldest first, with about how much they hold. `oldest` and
-- `newest` are times of creation, and `highest` the highest key of the default partition.
create or replace function list_partitions(parent text)
returns table (name text, first bigint, beyond bigint, is_default boolean, is_retired boolean, row_count bigint,
               byte_count bigint, oldest timestamptz, newest timestamptz, highest bigint)
language plpgsql security definer as $$
#variable_conflict use_column
declare
  whole oid := to_regclass(format('%I.%I', current_schema(), parent));
  key   text;
  part  record;
begin
  select attname
    into key
    from pg_partitioned_table
    join pg_attribute
      on attrelid = partrelid
     and attnum = partattrs[0]
   where partrelid = whole;
  if key is null then
    raise exception 'there is no partitioned table %', parent using errcode = 'undefined_table';
  end if;
  for part in
    select class.oid, class.relname, pg_get_expr(class.relpartbound, class.oid) as bound,
           greatest(class.reltuples, pg_stat_get_live_tuples(class.oid), 0)::bigint as row_count
      from pg_class as class
     where class.relkind = 'r'
       and class.relnamespace = (select relnamespace from pg_class where oid = whole)
       and (class.oid in (select inhrelid from pg_inherits where inhparent = whole)
            or class.oid in (select objoid
                               from pg_description
                              where classoid = 'pg_class'::regclass
                                and objsubid = 0
                                and description = 'retired from ' || parent)
               and retired_from(class.oid) = parent)
  loop
    name := part.relname;
    first := substring(part.bound from 'FROM \(''?(-?\d+)''?\)')::bigint;
    beyond := substring(part.bound from 'TO \(''?(-?\d+)''?\)')::bigint;
    is_default := coalesce(part.bound = 'DEFAULT', false);
    is_retired := part.bound is null;
    row_count := part.row_count;
    byte_count := pg_total_relation_size(part.oid);
    oldest := null;
    newest := null;
    highest := null;
    if is_default then
      execute format('select max(%I) from %I', key, part.relname) into highest;
    end if;
    if is_default and key = 'id' then
      execute format('select min(created), max(created) from %I', part.relname) into oldest, newest;
    elsif not is_retired and key = 'id' then
      -- By way of the whole table: somebody else may own the partition.
      execute format('select min(created), max(created) from %I where id >= %s and id < %s', parent,
                     coalesce(first, -9223372036854775808), coalesce(beyond, 9223372036854775807))
         into oldest, newest;
    end if;
    return next;
  end loop;
end
$$;

do $$
declare
  here text := current_schema();
  own  text;
begin
  foreach own in array array['add_partition(text, bigint, bigint)', 'list_partitions(text)'] loop
    execute format('alter function %s set search_path = %I, pg_catalog, pg_temp', own, here);
    execute format('revoke execute on function %s from public', own);
  end loop;

  -- As in keep_rule_history, but the transaction itself remembers that it has raised the revision. A rollback to a savepoint
  -- takes that back, too.
  execute format($create$
    create or replace function raise_rule_revision() returns trigger language plpgsql security definer
    set search_path to %1$I, pg_temp as $body$
    declare
      own xid8 := pg_current_xact_id();
      mark text := own || ' ' || %2$L;
      raised bigint;
      forgotten bigint;
      lock_number int;
    begin
      delete from rule_change_pending where xid = own;
      if current_setting('rule.raised_by', true) is distinct from mark then
        update rule_revision
           set value = greatest(value + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint),
               raised_by = own
        returning value into raised;
        perform set_config('rule.raised_by', mark, true);
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
