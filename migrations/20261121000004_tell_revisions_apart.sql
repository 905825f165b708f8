-- A revision of the rules never comes again, also when the database was set back by a failover or the
-- restoration of a backup: an agent that ran on takes the rules it knows for those of the same revision.
-- So a new revision is the time, in microseconds, or the next number if the clock is behind.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

do $$
begin
  execute format($create$
    create or replace function raise_rule_revision() returns trigger language plpgsql
    set search_path to %1$I, pg_temp as $body$
    begin
      -- Once per transaction is enough, however many rows it changed.
      update rule_revision
         set value = greatest(value + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint),
             raised_by = pg_current_xact_id()
       where raised_by is distinct from pg_current_xact_id();
      return null;
    end
    $body$
  $create$, current_schema());
end
$$;
