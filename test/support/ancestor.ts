/**
 * The platform's Rust services, as far as they are there before the agent: their tables, types and exchanges, declared by
 * hand, with some rows. Abridged, and different from the agent's where theirs are: runtimes have no type, sensors have no
 * trigger, enforcements are resolved rather than updated.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { asSuperuser } from "./postgres.ts";
import type { FreshVhost } from "./rabbitmq.ts";

const execute = promisify(execFile);

export async function makeAncestor(databaseUrl: string, schema: string): Promise<void> {
  await asSuperuser((client) => client.query(ancestorSql(schema)), databaseUrl);
}

/** Everything that a schema holds, and what its role's plain sessions see: text that changes when anything there does. */
export async function dumpOf(databaseUrl: string, schema: string): Promise<string> {
  const { stdout } = await execute("pg_dump", ["--schema", schema, "--dbname", databaseUrl], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const settings = await asSuperuser(
    (client) =>
      client.query(
        `select setrole::regrole::text as role, setconfig
           from pg_db_role_setting
          where setdatabase = (select oid from pg_database where datname = current_database())`,
      ),
    databaseUrl,
  );
  // Newer versions of pg_dump protect the file with a word that is another each time.
  return stdout.replaceAll(/^\\(un)?restrict .*$/gm, "") + JSON.stringify(settings.rows);
}

export async function declareAncestorsExchanges(vhost: FreshVhost): Promise<void> {
  for (const [name, type] of [
    ["attune.events", "topic"],
    ["attune.executions", "topic"],
    ["attune.notifications", "fanout"],
    ["attune.metadata", "topic"],
    ["attune.dlx", "direct"],
  ]) {
    await vhost.manage("PUT", `/api/exchanges/{vhost}/${name}`, { type, durable: true });
  }
  for (const [queue, exchange, key] of [
    ["attune.enforcements.queue", "attune.executions", "enforcement.#"],
    ["attune.notifications.queue", "attune.notifications", ""],
    ["attune.dlx.queue", "attune.dlx", "dead"],
  ]) {
    await vhost.manage("PUT", `/api/queues/{vhost}/${queue}`, {
      durable: true,
      arguments: { "x-dead-letter-exchange": "attune.dlx" },
    });
    await vhost.manage("POST", `/api/bindings/{vhost}/e/${exchange}/q/${queue}`, { routing_key: key });
  }
}

function ancestorSql(schema: string): string {
  return `
    create schema if not exists ${schema};
    set search_path to ${schema}, public;
    create table _sqlx_migrations (
      version bigint primary key, description text not null, installed_on timestamptz not null default now(),
      success boolean not null, checksum bytea not null, execution_time bigint not null);
    insert into _sqlx_migrations values (20250101000001, 'initial setup', now(), true, '\\x00', 1);
    create type worker_type_enum as enum ('local', 'remote', 'container');
    create type worker_role_enum as enum ('action', 'sensor', 'hybrid');
    create type worker_status_enum as enum ('active', 'inactive', 'busy', 'error');
    create type enforcement_status_enum as enum ('created', 'processed', 'disabled');
    create type enforcement_condition_enum as enum ('any', 'all');
    create function update_updated_column() returns trigger language plpgsql as
      $$ begin new.updated = now(); return new; end $$;
    create function touch_updated() returns trigger language plpgsql as
      $$ begin raise exception 'theirs'; end $$;
    create table pack (
      id bigserial primary key, ref text not null unique, label text not null, description text,
      version text not null, conf_schema jsonb not null default '{}', config jsonb not null default '{}',
      created timestamptz not null default now(), updated timestamptz not null default now());
    create table runtime (
      id bigserial primary key, ref text not null unique, pack bigint references pack, pack_ref text, description text,
      name text not null, aliases text[] not null default '{}', distributions jsonb not null, installation jsonb,
      execution_config jsonb not null default '{}', created timestamptz not null default now(),
      updated timestamptz not null default now());
    create table sensor (
      id bigserial primary key, ref text not null unique, pack bigint references pack, pack_ref text, label text not null,
      description text, entrypoint text not null, runtime bigint not null references runtime, runtime_ref text not null,
      enabled boolean not null, param_schema jsonb, config jsonb, created timestamptz not null default now(),
      updated timestamptz not null default now());
    create table trigger (
      id bigserial primary key, ref text not null unique, pack bigint references pack, pack_ref text, label text not null,
      description text, enabled boolean not null default true, is_adhoc boolean not null default false,
      param_schema jsonb, out_schema jsonb, webhook_key varchar(64) unique, sensor bigint references sensor,
      sensor_ref text, created timestamptz not null default now(), updated timestamptz not null default now());
    create table action (
      id bigserial primary key, ref text not null unique, pack bigint not null references pack, pack_ref text not null,
      label text not null, description text, entrypoint text not null, created timestamptz not null default now(),
      updated timestamptz not null default now());
    create table rule (
      id bigserial primary key, ref text not null unique, pack bigint references pack, pack_ref text not null,
      label text not null, description text, action bigint references action, action_ref text not null,
      trigger bigint references trigger, trigger_ref text not null, conditions jsonb not null default '[]',
      action_params jsonb default '{}', trigger_params jsonb default '{}', enabled boolean not null,
      created timestamptz not null default now(), updated timestamptz not null default now());
    create table event (
      id bigserial primary key, trigger bigint references trigger, trigger_ref text not null, config jsonb, payload jsonb,
      source bigint references sensor, source_ref text, created timestamptz not null default now(), rule bigint,
      rule_ref text);
    create table enforcement (
      id bigserial primary key, rule bigint, rule_ref text not null, trigger_ref text not null, config jsonb, event bigint,
      status enforcement_status_enum not null default 'created', payload jsonb not null,
      condition enforcement_condition_enum not null default 'all', conditions jsonb not null default '[]',
      created timestamptz not null default now(), resolved_at timestamptz);
    create table worker (
      id bigserial primary key, name text not null, worker_type worker_type_enum not null,
      worker_role worker_role_enum not null, runtime bigint references runtime, host text, port integer,
      status worker_status_enum not null default 'active', capabilities jsonb, meta jsonb, last_heartbeat timestamptz,
      created timestamptz not null default now(), updated timestamptz not null default now());
    create trigger update_worker_updated before update on worker for each row execute function update_updated_column();
    create table execution (id bigserial primary key, action_ref text not null, enforcement bigint);
    insert into pack (ref, label, version) values ('core', 'Theirs', '9.9.9');
    insert into runtime (ref, pack, name, distributions) values ('core.python', 1, 'Python', '{}');
    insert into sensor (ref, pack, label, entrypoint, runtime, runtime_ref, enabled)
      values ('core.interval_timer_sensor', 1, 'Timer', 'attune-core-timer-sensor', 1, 'core.native', true);
    insert into trigger (ref, pack, label) values ('core.intervaltimer', 1, 'Interval'), ('fault.number', 1, 'Same name');
    insert into worker (name, worker_type, worker_role) values ('worker-1', 'local', 'action');
    insert into event (trigger, trigger_ref, payload) values (1, 'core.intervaltimer', '{"n": 1}');`;
}
