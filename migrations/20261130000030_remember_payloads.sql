-- What payloads of a trigger look like, learned from samples.
--
--   schema_sample   what an agent has learned since it last wrote; only inserted, so agents never wait for each other
--   schema_memory   the sum of all samples of a trigger; one agent at a time adds samples to it and deletes them

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

create table if not exists schema_sample (
  id          bigint generated always as identity primary key,
  trigger_ref text not null,
  content     jsonb not null,
  created     timestamptz not null default now()
);

create table if not exists schema_memory (
  trigger_ref text primary key,
  content     jsonb not null,
  -- Changes that were noticed, the newest last.
  drifts      jsonb not null default '[]',
  updated     timestamptz not null default now()
);
