-- The queues that agents have declared for sensors that share the broker. Such a queue outlives its sensor, and one whose sensor
-- was deleted while no agent ran would stay with the broker. AMQP lists no queues, so they are remembered here: a row is written
-- before its queue is declared, and deleted after it.

-- The schema is `attune` unless the session says otherwise: set attune.schema, or with psql
-- PGOPTIONS="-c attune.schema=other" psql "$DATABASE_URL" < this-file
select set_config('search_path', quote_ident(coalesce(nullif(current_setting('attune.schema', true), ''), 'attune')) || ', public', false);

create table if not exists sensor_queue (
  sensor_ref  text not null,
  -- The broker's cluster, its address and the virtual host.
  broker      text not null,
  -- That the queue is bound to.
  exchange    text not null,
  -- The database server and the database. Rows that a dump brought from elsewhere have another owner, and their queues may
  -- still be in use there.
  owner       text not null,
  prepared_at timestamptz not null default clock_timestamp(),
  primary key (sensor_ref, broker)
);
