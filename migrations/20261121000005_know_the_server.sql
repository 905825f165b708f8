-- Which server the ids were last taken from: its identity and its timeline. After a failover to a replica, recovery
-- from an archive or a restoration into another server one of them is another. What was lost had ids, and
-- consumers may know messages by them.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table installation
  add column if not exists server text;
