-- Who moved a checkpoint last, and with which event: a statement that arrives late, or is repeated in
-- part after a lost answer, must not move it back, or the sensor would emit again what is stored.
-- Within one process ids of events ascend; another process's statements are fenced by the assignment.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table sensor_checkpoint
  add column if not exists instance uuid,
  add column if not exists event bigint;
