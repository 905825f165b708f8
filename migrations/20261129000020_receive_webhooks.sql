-- Webhooks: what arrived, how much may arrive, and which signatures were used; see docs/webhooks.md.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

-- One row per request. Requests refused beyond a rate share rows that count them. No secret and no body is in it.
create table if not exists webhook_delivery (
  id             bigserial primary key,
  -- As in the answer's X-Request-Id; null if the row counts several requests.
  request_id     text,
  -- The sender's id of the delivery.
  delivery_id    text,
  verdict        text not null check (verdict in ('accepted', 'duplicate', 'challenge', 'refused', 'failed')),
  reason         text,
  -- What the endpoint is for; null if the request reached none. The rows may be gone since.
  trigger_ref    text,
  rule_ref       text,
  method         text not null,
  -- Null for endpoints with a key, which is a secret.
  path           text,
  -- The event that was stored, or the first with the sender's id; the first of several rules.
  event          bigint,
  event_count    integer not null default 0,
  remote_address text,
  bytes          bigint not null default 0,
  -- From the request's arrival to its answer.
  seconds        double precision not null default 0,
  status         integer not null,
  -- How many requests the row stands for.
  requests       integer not null default 1,
  worker_name    text not null,
  created        timestamptz not null default now()
);
create index if not exists webhook_delivery_created on webhook_delivery (created, id);

-- A bucket that refills evenly. `full_at` is when it will be full again if nothing is taken; see src/webhooks/rate-limits.ts.
create table if not exists webhook_rate (
  endpoint text not null,
  -- Of the sender's address, if each has a limit of its own; else 0.
  bucket   integer not null,
  full_at  timestamptz not null,
  -- How many of the requests of the last statement may pass.
  granted  integer not null,
  primary key (endpoint, bucket)
);

-- The first delivery id that came with a signature. An id outside the signature can be changed by whoever copied the request.
create table if not exists webhook_nonce (
  endpoint    text not null,
  nonce       text not null,
  delivery_id text not null,
  expires_at  timestamptz not null,
  primary key (endpoint, nonce)
);
create index if not exists webhook_nonce_expires_at on webhook_nonce (expires_at);

-- A new secret takes effect at once.
drop trigger if exists key_notifies on key;
create trigger key_notifies after insert or update or delete or truncate on key
  for each statement execute function notify_change();

-- Any agent with an API receives requests. The sensor is how operators see and switch it.
insert into trigger (ref, pack, pack_ref, label, description)
select 'core.webhook', pack.id, 'core', 'Webhook', 'Another system sent a request to the path of the rule'
  from pack
 where pack.ref = 'core'
on conflict (ref) do nothing;

insert into sensor (ref, pack, pack_ref, label, description, entrypoint, runtime, runtime_ref, trigger, trigger_ref)
select 'core.webhooks', pack.id, 'core', 'Webhooks', 'Receives requests of other systems over the agents'' APIs', 'webhooks',
       runtime.id, runtime.ref, trigger.id, trigger.ref
  from pack, runtime, trigger
 where pack.ref = 'core'
   and runtime.ref = 'core.sensor.builtin'
   and trigger.ref = 'core.webhook'
on conflict (ref) do nothing;
