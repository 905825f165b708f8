-- First of three steps that partition event and enforcement while agents store into them. The rows of before stay where
-- they are and become one partition; that no id in it is above a bound is proven beforehand, without blocking anybody.
--
-- This step only sets the bound, far above the ids in use. It is skipped for tables without rows.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

do $$
declare
  history   text;
  beyond    bigint;
  statement text;
  pending   text[] := '{}';
begin
  foreach history in array array['event', 'enforcement'] loop
    execute format('select max(id) from %I', history) into beyond;
    continue when beyond is null
               or exists (select from pg_partitioned_table where partrelid = to_regclass(quote_ident(history)))
               or exists (select from pg_constraint
                           where conrelid = to_regclass(quote_ident(history))
                             and conname = history || '_before_partitions');
    beyond := greatest(beyond, pg_sequence_last_value(format('%I', history || '_id_seq')::regclass));
    -- Room for hours of storing at full speed until the last step.
    beyond := (beyond + 100000000) / 10000000 * 10000000 + 10000001;
    pending := pending || format('alter table %I add constraint %I check (id < %s) not valid',
                                 history, history || '_before_partitions', beyond);
  end loop;
  loop
    begin
      -- Storing waits for us as long as we wait for others: so only a moment, again and again, and with no lock meanwhile.
      perform set_config('lock_timeout', '20ms', true);
      foreach statement in array pending loop
        execute statement;
      end loop;
      exit;
    exception when lock_not_available then
      perform pg_sleep(0.2 + 0.3 * random());
    end;
  end loop;
  perform set_config('lock_timeout', '0', true);
end
$$;
