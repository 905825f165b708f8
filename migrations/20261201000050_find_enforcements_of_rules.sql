-- When a rule last matched, and its enforcements, newest first. Rows of a statement have the same time, so many of an index's
-- entries are equal, and it stays small. It takes a lock that lets nobody store enforcements until it is built: about a second
-- for a million rows.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

create index if not exists enforcement_rule_created on enforcement (rule, created);
