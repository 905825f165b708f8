-- Which CloudEvents become events of a trigger: {"type": TYPE, "source": SOURCE}; null: none.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

-- An earlier migration may have inserted triggers in the same transaction, and their deferred checks are still due.
set constraints all immediate;
alter table trigger add column if not exists cloudevents jsonb;
