-- Which exit codes of a poll sensor's run mean that its output counts. Checks that speak by their exit code, such
-- as those for Nagios, end with 1 or 2 when they have found something.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table sensor
  add column if not exists success_exit_codes integer[] not null default '{0}';
