-- A replay stores enforcements that an event lacks, or the event anew. Both carry the id of the event that was replayed, so
-- that rows and messages of a replay can be told from the others.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

do $$
declare
  history text;
begin
  loop
    begin
      -- Agents that store meanwhile wait for a moment only: no lock is held while waiting for another.
      perform set_config('lock_timeout', '20ms', true);
      foreach history in array array['event', 'enforcement'] loop
        continue when exists (select
                                from pg_attribute
                               where attrelid = to_regclass(history)
                                 and attname = 'replayed_from'
                                 and not attisdropped);
        execute format('alter table %I add column replayed_from bigint', history);
      end loop;
      exit;
    exception when lock_not_available then
      perform pg_sleep(0.2 + 0.3 * random());
    end;
  end loop;
  perform set_config('lock_timeout', '0', true);
end
$$;
