-- is_rule_current does for one trigger what are_rules_current does for several, in half the time: nearly every batch holds
-- events of one trigger only, and at moderate rates this check is a tenth of what the batch costs the server.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

do $$
declare
  here text := current_schema();
begin
  -- Whether this revision of the trigger is the newest; it stays so until the transaction ends. The lock is taken by an
  -- expression, which costs less than a query. The query after it sees what was committed before it began.
  execute format($create$
    create or replace function is_rule_current(ref text, known bigint) returns boolean language plpgsql volatile as $body$
    begin
      if pg_advisory_xact_lock_shared(hashtextextended(%2$L || %1$I.rule_lock(ref), 4)) is null then
        raise 'a lock of this kind always answers';
      end if;
      return coalesce((select value from %1$I.trigger_revision where trigger_ref = ref), 0) = known;
    end
    $body$
  $create$, here, here || '.');
end
$$;
