-- Lists of events and enforcements are newest first. Ids are not in the order of storing, because workers reserve them in
-- blocks. In ascending order, since new rows are then added at the end of an index and not at its beginning.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

create index if not exists event_created on event (created, id);
create index if not exists event_trigger_created on event (trigger_ref, created, id);
drop index if exists event_trigger_ref;

create index if not exists enforcement_created on enforcement (created, id);
