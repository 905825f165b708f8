-- The view of enforcements with their payloads has their actions, too.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

create or replace view enforcement_with_payload as
select enforcement.id, enforcement.rule, enforcement.rule_ref, enforcement.trigger_ref, enforcement.event,
       enforcement.config, enforcement.status, coalesce(enforcement.payload, event.payload) as payload,
       enforcement.condition, enforcement.conditions, enforcement.created, enforcement.updated,
       enforcement.action, enforcement.action_ref
  from enforcement
  left join event
         on event.id = enforcement.event;
