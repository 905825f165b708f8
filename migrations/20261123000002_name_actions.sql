-- An enforcement names the action that its rule asked for when it matched, so that its message can, too, however late
-- it is published and whatever has become of the rule.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table enforcement
  add column if not exists action     bigint,
  add column if not exists action_ref text;
