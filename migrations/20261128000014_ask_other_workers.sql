-- What one agent asks of another: to restart a sensor that the other runs, or to read its log. Agents have no
-- connections to each other; they meet in this table.
--
--   asked ──the sensor's owner takes it──▶ taken ──▶ answered ──the asker reads it──▶ (deleted)
--     └──────────────┴── time is up ──▶ expired ──▶ (deleted by any agent)
--
-- - asked: taken_by is null. Only the worker that owns the sensor takes it.
-- - taken: by the instance taken_by. If that instance loses the sensor, the next owner takes the request again, so what is
--   asked must do no harm when it is done twice.
-- - answered: answer is set; nothing changes any more.
-- - expired: expires_at has passed, in whatever state.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

create table if not exists worker_request (
  id         bigserial primary key,
  kind       text not null check (kind in ('restart', 'logs')),
  sensor     bigint not null references sensor (id) on delete cascade,
  parameters jsonb not null default '{}' check (octet_length(parameters::text) <= 8192),
  taken_by   uuid,
  -- JSON as text: log lines may hold characters that jsonb does not.
  answer     text check (octet_length(answer) <= 4194304),
  expires_at timestamptz not null,
  created    timestamptz not null default now()
);
create index if not exists worker_request_sensor on worker_request (sensor);
create index if not exists worker_request_expires_at on worker_request (expires_at);

-- Taking a request wakes nobody.
drop trigger if exists worker_request_notifies on worker_request;
create trigger worker_request_notifies after insert or update of answer on worker_request
  for each statement execute function notify_change();
