-- The tables of the platform as they were before workers had roles.
--
-- Every statement tolerates that its work is already done, so the file can be applied by the agent,
-- by `psql < file`, or both, and on a database that an earlier platform version created.
--
-- event and enforcement are an append-only log and the hot path of the service: they name trigger,
-- sensor and rule by id and by ref, and carry no foreign keys, so that inserting locks no other row
-- and deleting a definition never rewrites history.

do $$
declare
  target text := coalesce(nullif(current_setting('attune.schema', true), ''), 'attune');
begin
  if to_regnamespace(quote_ident(target)) is null then
    execute format('create schema %I', target);
  end if;
  -- Lets a person's psql session say `select * from worker` without naming the schema.
  execute format('alter role current_user in database %I set search_path to %I, public', current_database(), target);
end
$$;

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

do $$
begin
  if to_regtype(format('%I.worker_type_enum', current_schema())) is null then
    create type worker_type_enum as enum ('local', 'remote', 'container');
  end if;
  if to_regtype(format('%I.worker_status_enum', current_schema())) is null then
    create type worker_status_enum as enum ('active', 'inactive', 'busy', 'error');
  end if;
  if to_regtype(format('%I.enforcement_status_enum', current_schema())) is null then
    create type enforcement_status_enum as enum ('created', 'processed', 'disabled');
  end if;
  if to_regtype(format('%I.enforcement_condition_enum', current_schema())) is null then
    create type enforcement_condition_enum as enum ('any', 'all');
  end if;
end
$$;

create table if not exists pack (
  id          bigserial primary key,
  ref         text not null unique,
  label       text not null default '',
  description text,
  version     text not null default '0.0.0',
  config      jsonb not null default '{}',
  meta        jsonb not null default '{}',
  created     timestamptz not null default now(),
  updated     timestamptz not null default now()
);

create table if not exists runtime (
  id               bigserial primary key,
  ref              text not null unique,
  pack             bigint references pack (id) on delete cascade,
  pack_ref         text,
  description      text,
  runtime_type     text not null check (runtime_type in ('action', 'sensor')),
  name             text not null,
  distributions    jsonb not null default '{}',
  installation     jsonb,
  execution_config jsonb not null default '{}',
  created          timestamptz not null default now(),
  updated          timestamptz not null default now()
);

create table if not exists worker (
  id             bigserial primary key,
  name           text not null unique,
  worker_type    worker_type_enum not null,
  runtime        bigint references runtime (id) on delete set null,
  host           text,
  port           integer,
  status         worker_status_enum default 'inactive',
  capabilities   jsonb,
  meta           jsonb,
  last_heartbeat timestamptz,
  created        timestamptz not null default now(),
  updated        timestamptz not null default now()
);

create table if not exists trigger (
  id           bigserial primary key,
  ref          text not null unique,
  pack         bigint references pack (id) on delete cascade,
  pack_ref     text,
  label        text not null default '',
  description  text,
  enabled      boolean not null default true,
  param_schema jsonb not null default '{}',
  out_schema   jsonb not null default '{}',
  created      timestamptz not null default now(),
  updated      timestamptz not null default now()
);

create table if not exists sensor (
  id           bigserial primary key,
  ref          text not null unique,
  pack         bigint references pack (id) on delete cascade,
  pack_ref     text,
  label        text not null default '',
  description  text,
  entrypoint   text not null default '',
  runtime      bigint references runtime (id) on delete set null,
  runtime_ref  text not null,
  trigger      bigint references trigger (id) on delete set null,
  trigger_ref  text not null,
  enabled      boolean not null default true,
  param_schema jsonb not null default '{}',
  created      timestamptz not null default now(),
  updated      timestamptz not null default now()
);

create table if not exists action (
  id          bigserial primary key,
  ref         text not null unique,
  pack        bigint references pack (id) on delete cascade,
  pack_ref    text,
  label       text not null default '',
  description text,
  created     timestamptz not null default now(),
  updated     timestamptz not null default now()
);

create table if not exists rule (
  id          bigserial primary key,
  ref         text not null unique,
  pack        bigint references pack (id) on delete cascade,
  pack_ref    text,
  label       text not null default '',
  description text,
  action      bigint references action (id) on delete set null,
  action_ref  text not null,
  trigger     bigint references trigger (id) on delete set null,
  trigger_ref text not null,
  conditions  jsonb,
  enabled     boolean not null default true,
  created     timestamptz not null default now(),
  updated     timestamptz not null default now()
);
create index if not exists rule_trigger_ref on rule (trigger_ref) where enabled;

create table if not exists event (
  id          bigserial primary key,
  trigger     bigint,
  trigger_ref text not null,
  config      jsonb,
  payload     jsonb,
  source      bigint,
  source_ref  text,
  created     timestamptz not null default now()
);
create index if not exists event_trigger_ref on event (trigger_ref, id desc);

create table if not exists enforcement (
  id          bigserial primary key,
  rule        bigint,
  rule_ref    text not null,
  trigger_ref text not null,
  event       bigint,
  config      jsonb,
  status      enforcement_status_enum not null default 'created',
  payload     jsonb not null default '{}',
  condition   enforcement_condition_enum not null default 'all',
  conditions  jsonb not null default '[]',
  created     timestamptz not null default now(),
  updated     timestamptz not null default now()
);
do $$
begin
  -- Each partition has a key of its own once a later migration has partitioned the table.
  if not exists (select from pg_partitioned_table where partrelid = to_regclass('enforcement')) then
    create unique index if not exists enforcement_event_rule on enforcement (event, rule);
  end if;
end
$$;
