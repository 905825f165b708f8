-- What claims of sensors need in order to wait for nobody and to outlive changes of the clock.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

-- How long this worker's leases last, so that everybody can recognize one that the clock left behind: after the
-- database's clock was set back, the lease of a worker that died would live for as long as the clock was moved.
alter table worker
  add column if not exists lease_seconds double precision;

-- For each row, so that a claim that finds every row locked notifies nobody: it would wake the workers to claim again.
-- Renewing a lease names none of these columns and wakes nobody either.
drop trigger if exists sensor_assignment_notifies on sensor_assignment;
create trigger sensor_assignment_notifies
  after insert or delete or update of worker, instance, generation on sensor_assignment
  for each row execute function notify_change();
