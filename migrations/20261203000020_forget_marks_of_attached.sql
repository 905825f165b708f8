-- A partition that was retired, and that an operator has since attached to its table again, is the operator's, even if it is detached
-- by hand later. Its mark outlived that, so it was dropped then. Now the mark also says what the partition's indexes were when
-- it was made: attaching and detaching write their catalog rows anew, since those indexes are parts of the table's.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

-- Names the transactions that wrote the catalog rows of a table's indexes last. Statistics, vacuum and grants write none.
create or replace function index_versions(of_table oid) returns text
language sql stable as $$
  select coalesce(string_agg(class.xmin::text, ' ' order by class.oid), 'none')
    from pg_index
    join pg_class as class
      on class.oid = indexrelid
   where indrelid = of_table
$$;

create or replace function mark_retired(parent text, partition regclass) returns void
language plpgsql as $$
begin
  execute format('comment on table %s is %L', partition, format('retired from %s, indexes %s', parent, index_versions(partition)));
end
$$;

-- The table that a retired partition belonged to; null: it is none, or has been attached since.
create or replace function retired_from(partition oid) returns text
language sql stable as $$
  select mark[1]
    from regexp_match(obj_description(partition, 'pg_class'), '^retired from (event|enforcement|event_key), indexes (.+)$') as mark
   where mark[2] = index_versions(partition)
     and not exists (select from pg_inherits where inhrelid = partition)
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
  -- Before its rows are known for certain, only the range can be asked for. That of the default partition is everything.
  if bound <> 'DEFAULT' and owes_messages(parent, first, beyond) then
    raise exception 'messages that are not sent yet need %', partition using errcode = 'object_in_use';
  end if;
  execute format('alter table %I detach partition %I', parent, partition);
  if bound = 'DEFAULT' and parent <> 'event_key' then
    execute format('select min(id), max(id) + 1 from %I', partition) into first, beyond;
  end if;
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
  perform mark_retired(parent, to_regclass(format('%I.%I', current_schema(), retired)));
  return retired;
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
                                and starts_with(description, 'retired from ' || parent || ','))
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
  own     text;
  retired record;
begin
  foreach own in array array['index_versions(oid)', 'mark_retired(text, regclass)', 'retired_from(oid)',
                             'retire_partition(text, text)', 'list_partitions(text)'] loop
    execute format('alter function %s set search_path = %I, pg_catalog, pg_temp', own, current_schema());
    execute format('revoke execute on function %s from public', own);
  end loop;
  -- What was retired before and waits to be archived or dropped.
  for retired in select class.oid, substring(description from '^retired from (event|enforcement|event_key)$') as parent
                   from pg_class as class
                   join pg_description
                     on objoid = class.oid
                    and classoid = 'pg_class'::regclass
                    and objsubid = 0
                  where class.relkind = 'r'
                    and class.relnamespace = quote_ident(current_schema())::regnamespace
                    and description ~ '^retired from (event|enforcement|event_key)$'
                    and not exists (select from pg_inherits where inhrelid = class.oid) loop
    perform mark_retired(retired.parent, retired.oid::regclass);
  end loop;
end
$$;
