-- Last step: event and enforcement are partitioned by ranges of ids, and what there was becomes their first partition.
--
-- By id and not by time, because the primary key must contain the key of partitioning: ids stay unique, and repeating a
-- statement with reserved ids stays harmless. A partition still holds a span of time, because whoever keeps
-- the partitions moves the sequence on to the next one when the present one has its age or size.
--
-- Dedup keys have a table of their own, partitioned by days. A key is claimed under a period of a day, and in the ten
-- minutes around a change of period under both: so any two statements that could run at the same time meet in one row.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

-- Adds a partition for the keys from `first` up to `beyond`, which is exclusive. Creating the table apart and attaching
-- it then lets others store meanwhile. Agents that do not own the schema may call it: it can do nothing else.
create or replace function add_partition(parent text, first bigint, beyond bigint) returns text
language plpgsql security definer as $$
declare
  name text := format('%s_from_%s', parent, first);
begin
  if not exists (select from pg_partitioned_table where partrelid = to_regclass(format('%I.%I', current_schema(), parent))) then
    raise exception 'there is no partitioned table %', parent using errcode = 'undefined_table';
  end if;
  perform make_partition(parent, name);
  execute format('alter table %I attach partition %I for values from (%s) to (%s)', parent, name, first, beyond);
  return name;
end
$$;

-- A table with the columns, keys and indexes of a partitioned one.
create or replace function make_partition(parent text, name text) returns void
language plpgsql as $$
begin
  execute format('create table %I (like %I including all)', name, parent);
  if parent = 'enforcement' then
    -- No key of the whole table, which would have to contain the id.
    execute format('create unique index %I on %I (event, rule)', name || '_event_rule', name);
  end if;
end
$$;

-- Whether messages that are not sent yet need rows with these ids. While thousands wait, all of them count.
create or replace function owes_messages(parent text, first bigint, beyond bigint) returns boolean
language plpgsql as $$
begin
  if parent not in ('event', 'enforcement') then return false; end if;
  if (select count(*) from (select from outbox limit 5001) as waiting) > 5000 then return true; end if;
  if parent = 'enforcement' then
    return exists (select from outbox where enforcement >= first and enforcement < beyond);
  end if;
  return exists (select from outbox where event >= first and event < beyond)
      or exists (select
                   from outbox
                   join enforcement
                     on enforcement.id = outbox.enforcement
                  where enforcement.event >= first
                    and enforcement.event < beyond);
end
$$;

-- Takes a partition out of its table; what is left is a table that drop_retired deletes. The caller sets lock_timeout.
-- Refused with object_in_use if messages still need it. The default partition is replaced by an empty one.
create or replace function retire_partition(parent text, partition text) returns text
language plpgsql security definer as $$
declare
  bound   text;
  first   bigint;
  beyond  bigint;
  retired text := partition;
begin
  select pg_get_expr(child.relpartbound, child.oid)
    into bound
    from pg_inherits
    join pg_class as child
      on child.oid = inhrelid
   where inhparent = to_regclass(format('%I.%I', current_schema(), parent))
     and child.relname = partition;
  if bound is null then
    raise exception '% is no partition of %', partition, parent using errcode = 'undefined_table';
  end if;
  first := coalesce(substring(bound from 'FROM \(''?(-?\d+)''?\)')::bigint, -9223372036854775808);
  beyond := coalesce(substring(bound from 'TO \(''?(-?\d+)''?\)')::bigint, 9223372036854775807);
  if owes_messages(parent, first, beyond) then
    raise exception 'messages that are not sent yet need %', partition using errcode = 'object_in_use';
  end if;
  execute format('alter table %I detach partition %I', parent, partition);
  -- Again: nobody can add any now.
  if owes_messages(parent, first, beyond) then
    raise exception 'messages that are not sent yet need %', partition using errcode = 'object_in_use';
  end if;
  if bound = 'DEFAULT' then
    retired := format('%s_rest_%s', parent, floor(extract(epoch from clock_timestamp()) * 1000)::bigint);
    execute format('alter table %I rename to %I', partition, retired);
    perform rename_indexes(retired, partition, retired);
    perform make_partition(parent, partition);
    execute format('alter table %I attach partition %I default', parent, partition);
  end if;
  if partition = 'event_before' then
    perform define_known_keys(false);
  end if;
  return retired;
end
$$;

create or replace function rename_indexes(of_table text, earlier text, later text) returns void
language plpgsql as $$
declare
  name text;
begin
  for name in select relname
                from pg_index
                join pg_class
                  on oid = indexrelid
               where indrelid = to_regclass(quote_ident(of_table))
                 and starts_with(relname, earlier || '_') loop
    execute format('alter index %I rename to %I', name, overlay(name placing later from 1 for length(earlier)));
  end loop;
end
$$;

-- Deletes a partition that was retired, and nothing else.
create or replace function drop_retired(partition text) returns void
language plpgsql security definer as $$
declare
  parent text := substring(partition from '^(.+)_(?:before|from_\d+|rest_\d+)$');
  found  oid  := to_regclass(format('%I.%I', current_schema(), partition));
begin
  if parent is null or found is null
     or not exists (select from pg_partitioned_table where partrelid = to_regclass(format('%I.%I', current_schema(), parent)))
     or exists (select from pg_inherits where inhrelid = found) then
    raise exception '% is no retired partition', partition using errcode = 'undefined_table';
  end if;
  execute format('drop table %I', partition);
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
      left join pg_inherits
             on inhrelid = class.oid
     where class.relkind = 'r'
       and class.relnamespace = (select relnamespace from pg_class where oid = whole)
       and (inhparent = whole
            or inhparent is null and class.relname ~ ('^' || parent || '_(before|from_\d+|rest_\d+)$'))
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
    if not is_retired and key = 'id' then
      execute format('select min(created), max(created) from %I', part.relname) into oldest, newest;
    end if;
    return next;
  end loop;
end
$$;

-- Lets the caller read a retired partition, to archive it.
create or replace function open_retired(partition text) returns void
language plpgsql security definer as $$
declare
  parent text := substring(partition from '^(.+)_(?:before|from_\d+|rest_\d+)$');
begin
  if parent is null
     or not exists (select from pg_partitioned_table where partrelid = to_regclass(format('%I.%I', current_schema(), parent))) then
    raise exception '% is no retired partition', partition using errcode = 'undefined_table';
  end if;
  execute format('grant select on %I to %I', partition, session_user);
end
$$;

-- All dedup keys that are remembered: those of before the partitions are in the old rows themselves.
create or replace function define_known_keys(has_before boolean) returns void
language plpgsql as $$
begin
  execute 'create or replace view event_key_known as
           select trigger_ref, source_ref, dedup_key, event, created
             from event_key'
       || case when has_before
               then ' union all
                    select trigger_ref, coalesce(source_ref, ''''), dedup_key, id, created
                      from event_before
                     where dedup_key is not null'
               else ' union all
                    select null::text, null::text, null::text, null::bigint, null::timestamptz
                     where false' end;
end
$$;

do $$
declare
  own text;
begin
  foreach own in array array['add_partition(text, bigint, bigint)', 'make_partition(text, text)',
                             'owes_messages(text, bigint, bigint)', 'retire_partition(text, text)',
                             'rename_indexes(text, text, text)', 'drop_retired(text)', 'open_retired(text)', 'list_partitions(text)',
                             'define_known_keys(boolean)'] loop
    execute format('alter function %s set search_path = %I, pg_catalog, pg_temp', own, current_schema());
    execute format('revoke execute on function %s from public', own);
  end loop;
end
$$;

do $$
declare
  history text;
  old     text;
  beyond  bigint;
  granted record;
  is_used boolean;
begin
  if exists (select from pg_partitioned_table where partrelid = to_regclass('event')) then
    return;
  end if;
  loop
    begin
      perform set_config('lock_timeout', '20ms', true);
      lock table event, enforcement in access exclusive mode;
      exit;
    exception when lock_not_available then
      perform pg_sleep(0.2 + 0.3 * random());
    end;
  end loop;
  perform set_config('lock_timeout', '0', true);
  foreach history in array array['event', 'enforcement'] loop
    old := history || '_before';
    execute format('select exists (select from %I)', history) into is_used;
    execute format('alter table %I rename to %I', history, old);
    perform rename_indexes(old, history, old);
    execute format('create table %I (like %I including defaults including storage including compression) partition by range (id)',
                   history, old);
    execute format('alter sequence %I owned by %I.id', history || '_id_seq', history);
    execute format('alter table %I add constraint %I primary key (id)', history, history || '_pkey');
    execute format('create index %I on %I (created, id)', history || '_created', history);
    if history = 'event' then
      create index event_trigger_created on event (trigger_ref, created, id);
    end if;
    for granted in select privilege_type, is_grantable,
                          case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as grantee
                     from pg_class, aclexplode(relacl)
                    where oid = to_regclass(quote_ident(old))
                      and grantee <> relowner loop
      execute format('grant %s on %I to %s%s', granted.privilege_type, history, granted.grantee,
                     case when granted.is_grantable then ' with grant option' else '' end);
    end loop;

    perform make_partition(history, history || '_default');
    execute format('alter table %I attach partition %I default', history, history || '_default');
    if is_used then
      select substring(pg_get_constraintdef(oid) from '\d+')::bigint
        into beyond
        from pg_constraint
       where conrelid = to_regclass(quote_ident(old))
         and conname = history || '_before_partitions';
      if beyond is null then
        execute format('select greatest(max(id), pg_sequence_last_value(%L::regclass))
                               / 10000000 * 10000000 + 10000001 from %I',
                       quote_ident(history || '_id_seq'), old)
           into beyond;
      end if;
      -- Its rows' triggers are those of the whole table from now on.
      execute format('drop trigger if exists event_is_immutable on %I', old);
      execute format('drop trigger if exists %I on %I', history || '_touches_updated', old);
      execute format('alter table %I attach partition %I for values from (minvalue) to (%s)', history, old, beyond);
      perform setval(format('%I', history || '_id_seq')::regclass, beyond - 1);
    else
      beyond := 1;
    end if;
    perform add_partition(history, beyond, beyond + 10000000);
  end loop;

  create trigger event_is_immutable before update on event
    for each row execute function refuse_change();
  create trigger enforcement_touches_updated before update on enforcement
    for each row execute function touch_updated();

  create or replace view enforcement_with_payload as
  select enforcement.id, enforcement.rule, enforcement.rule_ref, enforcement.trigger_ref, enforcement.event,
         enforcement.config, enforcement.status, coalesce(enforcement.payload, event.payload) as payload,
         enforcement.condition, enforcement.conditions, enforcement.created, enforcement.updated,
         enforcement.action, enforcement.action_ref
    from enforcement
    left join event
           on event.id = enforcement.event;

  foreach history in array array['event', 'enforcement'] loop
    old := history || '_before';
    if not exists (select from pg_inherits where inhrelid = to_regclass(quote_ident(old))) then
      execute format('drop table %I', old);
    end if;
  end loop;
end
$$;

create table if not exists event_key (
  trigger_ref text        not null,
  -- Empty: no source.
  source_ref  text        not null,
  dedup_key   text        not null,
  -- Days since 1970, of the time it was claimed at.
  period      bigint      not null,
  event       bigint      not null,
  created     timestamptz not null default now(),
  primary key (trigger_ref, source_ref, dedup_key, period)
) partition by range (period);

do $$
begin
  if to_regclass('event_key_default') is null then
    perform make_partition('event_key', 'event_key_default');
    alter table event_key attach partition event_key_default default;
    perform define_known_keys(to_regclass('event_before') is not null);
  end if;
end
$$;
