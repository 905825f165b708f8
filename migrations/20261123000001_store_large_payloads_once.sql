-- An event's payload is stored once, however many rules match it: an enforcement of an event with a large payload
-- has null in its own column. Up to 2,000 bytes, which fit into the row, it has a copy.
--
-- The view has every enforcement's payload, wherever it is.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table enforcement
  alter column payload drop not null;

-- Not replaced: a later migration gives it more columns.
do $$
begin
  if to_regclass(format('%I.enforcement_with_payload', current_schema())) is null then
    create view enforcement_with_payload as
    select enforcement.id, enforcement.rule, enforcement.rule_ref, enforcement.trigger_ref, enforcement.event,
           enforcement.config, enforcement.status, coalesce(enforcement.payload, event.payload) as payload,
           enforcement.condition, enforcement.conditions, enforcement.created, enforcement.updated
      from enforcement
      left join event
             on event.id = enforcement.event;
  end if;
end
$$;
