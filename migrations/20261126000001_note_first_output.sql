-- When a sensor's process first printed a line: one that runs and has printed nothing may keep what it prints
-- in a buffer.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table sensor_process
  add column if not exists first_output_at timestamptz;
