-- Values that sensors and packs keep on the platform, encrypted by the agent (src/keys/).

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

create table if not exists key (
  id               bigserial primary key,
  -- The owner's ref and the local ref; the local ref alone without an owner.
  ref              text not null unique,
  local_ref        text not null,
  owner_type       text not null check (owner_type in ('system', 'pack', 'sensor')),
  owner_pack       bigint references pack (id) on delete cascade,
  owner_pack_ref   text,
  owner_sensor     bigint references sensor (id) on delete cascade,
  owner_sensor_ref text,
  name             text not null default '',
  -- What its writer asked for. Values are encrypted in any case.
  encrypted        boolean not null default true,
  -- AES-256-GCM: version, nonce, ciphertext and tag; see src/keys/.
  value            bytea not null,
  -- Name of the encryption key it is encrypted with; derived from the key, which does not follow from it.
  encryption_key   text not null,
  created          timestamptz not null default now(),
  -- When the value or its description was written; encrypting it anew does not count.
  updated          timestamptz not null default now()
);
