-- Keys that a sensor's token created are marked. The sensor or its pack owns them and can read what is written into them, whoever
-- writes it, so a webhook outside the pack does not accept them as secrets. Of earlier keys it is not known.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table key add column if not exists created_by_sensor boolean not null default false;
