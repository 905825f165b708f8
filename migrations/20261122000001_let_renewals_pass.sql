-- A batch of events that is being stored keeps its assignments from being claimed, and no longer keeps their leases
-- from being renewed. The batch takes them `for key share`. Renewal changes no column of the key below, so it
-- does not wait for the batch; a claim or a release changes the term, which is the key, so it does. That holds for
-- statements written by hand too, and for agents of an earlier version.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

-- Not partial and without expressions: only such an index makes its columns a key. It also finds what an instance holds.
create unique index if not exists sensor_assignment_term
  on sensor_assignment (instance, sensor, generation);
