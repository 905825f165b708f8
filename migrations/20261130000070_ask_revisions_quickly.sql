-- are_rules_current does the same with less: it is part of every batch. One query takes the locks, instead of one to find
-- them and one for each. Names are qualified, instead of setting search_path for each call, which costs as much as a
-- query and makes the server check the plans of the queries anew.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

do $$
declare
  here text := current_schema();
begin
  -- Whether these revisions of triggers, by their refs, are the newest; they stay so until the transaction ends.
  -- A volatile function's queries see what was committed before each of them began, so the last one sees every change whose
  -- locks were waited for. The locks are taken in ascending order: the subquery is sorted before its rows are used.
  execute format($create$
    create or replace function are_rules_current(known jsonb) returns boolean language plpgsql volatile as $body$
    begin
      perform pg_advisory_xact_lock_shared(hashtextextended(%2$L || number, 4))
         from (select distinct %1$I.rule_lock(trigger_ref) as number
                 from jsonb_object_keys(known) as trigger_ref
                order by number) as locks;
      return not exists (
        select
          from jsonb_each_text(known) as expected (trigger_ref, value)
          left join %1$I.trigger_revision using (trigger_ref)
         where coalesce(trigger_revision.value, 0) <> expected.value::bigint);
    end
    $body$
  $create$, here, here || '.');
end
$$;
