-- The trace that an event belongs to, as its source gave it (W3C Trace Context). Its messages and those of its enforcements
-- carry it on.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table event
  add column if not exists traceparent text,
  add column if not exists tracestate text;
