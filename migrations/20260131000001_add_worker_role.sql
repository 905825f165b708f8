-- Workers get a role, so that sensor workers and action workers share one table.
-- Workers registered before this migration are action workers.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

do $$
begin
  if to_regtype(format('%I.worker_role_enum', current_schema())) is null then
    create type worker_role_enum as enum ('action', 'sensor', 'hybrid');
  end if;
end
$$;

alter table worker add column if not exists worker_role worker_role_enum;
update worker set worker_role = 'action' where worker_role is null;
alter table worker alter column worker_role set not null;

create index if not exists worker_role_status on worker (worker_role, status);
