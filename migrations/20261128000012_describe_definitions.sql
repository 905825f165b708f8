-- What management clients store with definitions and expect back: see docs/api.md.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table pack
  add column if not exists is_standard  boolean not null default false,
  add column if not exists conf_schema  jsonb not null default '{}',
  add column if not exists tags         text[] not null default '{}',
  add column if not exists runtime_deps text[] not null default '{}',
  add column if not exists dependencies text[] not null default '{}';

alter table trigger
  -- Made through the API, not by a pack.
  add column if not exists is_adhoc        boolean not null default false,
  add column if not exists webhook_enabled boolean not null default false,
  add column if not exists webhook_key     text unique,
  add column if not exists webhook_config  jsonb not null default '{}';

alter table rule
  add column if not exists is_adhoc boolean not null default false;

-- Actions are run by other services of the platform. Their programs and schemas are only kept here.
alter table action
  add column if not exists entrypoint   text not null default '',
  add column if not exists runtime      bigint references runtime (id) on delete set null,
  add column if not exists runtime_ref  text,
  add column if not exists param_schema jsonb not null default '{}',
  add column if not exists out_schema   jsonb not null default '{}',
  add column if not exists is_adhoc     boolean not null default false;

alter table sensor
  add column if not exists is_adhoc boolean not null default false;
