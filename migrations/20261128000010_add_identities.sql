-- Who may use the API: people, workers and sensors, their revoked tokens, and the keys that sign tokens.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

create table if not exists identity (
  id            bigserial primary key,
  login         text not null unique,
  display_name  text,
  -- In the format of src/identity/password-hash.ts. Null: cannot log in with a password, as sensors and services.
  password_hash text,
  role          text not null check (role in ('admin', 'viewer', 'worker', 'sensor')),
  attributes    jsonb not null default '{}',
  -- Tokens name the one that they were made under. A new role or password raises it and so ends them.
  token_version bigint not null default 1,
  created       timestamptz not null default now(),
  updated       timestamptz not null default now()
);

-- A row is needed only until the token would have expired.
create table if not exists revoked_token (
  jti        text primary key,
  expires_at timestamptz not null,
  created    timestamptz not null default now()
);
create index if not exists revoked_token_expires_at on revoked_token (expires_at);

-- Attempts to log in, by the hash of a login or an address; see src/identity/login-limits.ts.
create table if not exists login_attempt (
  key       text primary key,
  attempts  integer not null,
  resets_at timestamptz not null
);
create index if not exists login_attempt_resets_at on login_attempt (resets_at);

-- Secrets made by agents where security.jwt_secret is not set. The newest signs; all verify.
create table if not exists signing_key (
  id      bigserial primary key,
  secret  text not null,
  created timestamptz not null default now()
);

create or replace function end_tokens() returns trigger language plpgsql as $$
begin
  new.token_version := old.token_version + 1;
  return new;
end
$$;

drop trigger if exists identity_ends_tokens on identity;
create trigger identity_ends_tokens before update on identity
  for each row when (old.role is distinct from new.role or old.password_hash is distinct from new.password_hash)
  execute function end_tokens();

drop trigger if exists identity_touches_updated on identity;
create trigger identity_touches_updated before update on identity
  for each row execute function touch_updated();

do $$
declare
  source text;
begin
  foreach source in array array['identity', 'revoked_token', 'signing_key'] loop
    execute format('drop trigger if exists %1$s_notifies on %1$I', source);
    execute format('create trigger %1$s_notifies after insert or update or delete or truncate on %1$I
                    for each statement execute function notify_change()', source);
  end loop;
end
$$;
