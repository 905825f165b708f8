-- Second step: reads all old rows once, while agents go on storing.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

do $$
declare
  history text;
begin
  foreach history in array array['event', 'enforcement'] loop
    if exists (select from pg_constraint
                where conrelid = to_regclass(quote_ident(history))
                  and conname = history || '_before_partitions'
                  and not convalidated) then
      execute format('alter table %I validate constraint %I', history, history || '_before_partitions');
    end if;
  end loop;
end
$$;
