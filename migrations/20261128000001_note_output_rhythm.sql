-- How regularly a sensor prints, so that one that has fallen silent can be told from one that has nothing to say.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table sensor_process
  -- Written at most once a minute, so up to a minute old.
  add column if not exists last_output_at timestamptz,
  -- Seconds between two outputs: a moving average, and the longest, which counts half after a day.
  add column if not exists output_interval double precision,
  add column if not exists longest_silence double precision;
