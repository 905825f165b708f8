-- Who publishes what is owed, as a whole for each instance that stored it: itself, or its heir once it is dead. An heir
-- changes one row here and none in the outbox, and the messages keep their order.
--
-- Messages that the broker refused are apart, since they are tried again by themselves and ever later. And each message
-- says about how large it is, so that a reader knows what it takes on.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

alter table outbox
  -- Of its event's payload and of config, as the database holds them before compression; null: small.
  add column if not exists bytes    integer,
  -- When the broker refused it last; null: it has not.
  add column if not exists refused  timestamptz,
  add column if not exists refusals integer not null default 0,
  -- Why the broker can never take it; null: a queue had no room.
  add column if not exists refusal  text;

create index if not exists outbox_refused on outbox (routing_key, refused, message_id) where refused is not null;

create table if not exists outbox_owner (
  -- As outbox.instance; zeros stand for messages without one.
  instance uuid primary key,
  -- The instance of the worker that publishes them; null: none, whoever is first takes them.
  owner    uuid,
  since    timestamptz not null default now()
);

insert into outbox_owner (instance) values ('00000000-0000-0000-0000-000000000000') on conflict do nothing;
-- Of agents of an earlier version, which do not say so themselves.
insert into outbox_owner (instance, owner)
select distinct instance, instance
  from outbox
 where instance is not null
    on conflict do nothing;

update outbox
   set bytes = coalesce((select coalesce(octet_length(payload::text), 0) + coalesce(octet_length(config::text), 0)
                           from event
                          where id = outbox.event),
                        (select coalesce(octet_length(coalesce(enforcement.payload, event.payload)::text), 0)
                                + coalesce(octet_length(enforcement.config::text), 0)
                           from enforcement
                           left join event
                                  on event.id = enforcement.event
                          where enforcement.id = outbox.enforcement))
 where bytes is null
   and body is null;
