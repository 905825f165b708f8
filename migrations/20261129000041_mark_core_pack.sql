-- The pack core belongs to the platform itself, which management clients read from is_standard.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

update pack
   set is_standard = true
 where ref = 'core'
   and not is_standard;
