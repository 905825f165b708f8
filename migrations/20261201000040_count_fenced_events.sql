-- How many events of a sensor were refused because it had passed to another worker: its former one counts them.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table sensor_process
  -- From fenced_since, the first one after a day without any, to fenced_at.
  add column if not exists fenced_events bigint not null default 0,
  add column if not exists fenced_since timestamptz,
  add column if not exists fenced_at timestamptz,
  -- The worker that submitted the last ones.
  add column if not exists fenced_worker text;
