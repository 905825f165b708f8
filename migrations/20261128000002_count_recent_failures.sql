-- How many of a sensor's last runs failed: a poll sensor that fails every other time never fails often in a row.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table sensor_process
  -- Of the last ten at most, since the sensor came to its worker.
  add column if not exists recent_runs integer not null default 0,
  add column if not exists recent_failures integer not null default 0;
