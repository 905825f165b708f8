-- What running sensors needs: how a sensor is run, who runs it, what it reported last, and the
-- messages that committed facts still owe to the broker.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table worker
  -- One process's registration: a new value at every start, so that an earlier process of the same
  -- name can be told from this one.
  add column if not exists instance uuid,
  -- Renewed every few seconds; a worker past it is dead for everyone, judged by the database's clock.
  add column if not exists lease_expires_at timestamptz;

alter table sensor
  add column if not exists protocol text not null default 'standalone',
  add column if not exists config jsonb not null default '{}',
  add column if not exists poll_interval double precision,
  add column if not exists timeout double precision,
  add column if not exists runtime_version_constraint text,
  add column if not exists placement jsonb not null default '{}';

alter table rule
  add column if not exists trigger_params jsonb not null default '{}',
  add column if not exists action_params jsonb not null default '{}';

alter table event
  add column if not exists rule bigint,
  add column if not exists rule_ref text,
  add column if not exists occurred_at timestamptz,
  add column if not exists dedup_key text;
-- Two events of one trigger and source with the same dedup_key are one event. A later migration gives the keys a table.
do $$
begin
  if to_regclass('event_key') is null then
    create unique index if not exists event_dedup_key
      on event (trigger_ref, coalesce(source_ref, ''), dedup_key)
      where dedup_key is not null;
  end if;
end
$$;

create table if not exists sensor_trigger (
  sensor  bigint not null references sensor (id) on delete cascade,
  trigger bigint not null references trigger (id) on delete cascade,
  primary key (sensor, trigger)
);

-- Which worker runs a sensor. The generation grows with every claim; a write under an older
-- generation or another instance is refused.
create table if not exists sensor_assignment (
  sensor           bigint primary key references sensor (id) on delete cascade,
  worker           bigint references worker (id) on delete set null,
  instance         uuid,
  generation       bigint not null default 0,
  lease_expires_at timestamptz,
  claimed_at       timestamptz
);

create table if not exists sensor_checkpoint (
  sensor  bigint primary key references sensor (id) on delete cascade,
  value   jsonb not null,
  updated timestamptz not null default now()
);

create table if not exists sensor_process (
  sensor          bigint primary key references sensor (id) on delete cascade,
  worker          bigint references worker (id) on delete set null,
  status          text not null check (status in ('starting', 'running', 'backoff', 'failed', 'stopped')),
  pid             integer,
  failures        integer not null default 0,
  exit_code       integer,
  signal          text,
  reason          text,
  stderr_excerpt  text,
  started_at      timestamptz,
  stopped_at      timestamptz,
  next_restart_at timestamptz,
  updated         timestamptz not null default now()
);

-- Why a rule is not matched although it is enabled.
create table if not exists rule_problem (
  rule    bigint primary key references rule (id) on delete cascade,
  problem text not null,
  since   timestamptz not null default now()
);

-- What a worker found when it last verified a runtime; reused while it is fresh and the binaries are unchanged.
create table if not exists runtime_verification (
  worker_name text not null,
  runtime_ref text not null,
  fingerprint text not null,
  outcome     jsonb not null,
  verified_at timestamptz not null default now(),
  primary key (worker_name, runtime_ref)
);

-- A message that a committed fact owes to the broker; deleted once the broker has confirmed it.
-- Messages about an event or an enforcement are rebuilt from its immutable row; others carry a body.
create table if not exists outbox (
  message_id  uuid primary key,
  routing_key text not null,
  event       bigint,
  enforcement bigint,
  body        jsonb,
  -- The process that will publish it; null: whoever comes first.
  instance    uuid,
  created     timestamptz not null default now()
);
-- Finds the few messages about rules among the millions that a long outage of the broker may leave.
create index if not exists outbox_about_rules on outbox (message_id) where body is not null;

-- Makes message ids unique across installations that share a broker.
create table if not exists installation (
  singleton boolean primary key default true check (singleton),
  id        uuid not null default gen_random_uuid(),
  created   timestamptz not null default now()
);
insert into installation default values on conflict do nothing;

-- Triggers of the platform's own events; packs/core describes them to people.
insert into trigger (ref, pack, pack_ref, label, description)
select announced.ref, pack.id, 'core', announced.label, announced.description
  from (values
    ( 'core.alert', 'Alert', 'Something needs an operator: for example a sensor that keeps failing' ),
    ( 'core.worker_capabilities_changed', 'Worker capabilities changed',
      'A runtime was installed, updated or removed on a worker' )
  ) as announced (ref, label, description),
  pack
 where pack.ref = 'core'
on conflict (ref) do nothing;
