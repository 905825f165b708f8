import type { Client } from "pg";

/**
 * A database whose clock a test sets: for connections with this search path, `now` and `clock_timestamp` are functions
 * of the test's own, found before PostgreSQL's.
 */
export interface SettableClock {
  /** The database's URL for those whose clock it is to be. */
  readonly url: string;
  setBy(seconds: number): Promise<void>;
}

export async function settableClock(client: Client, databaseUrl: string): Promise<SettableClock> {
  await client.query(`
    create table attune.clock_shift (by interval not null);
    insert into attune.clock_shift values ('0');
    create function attune.now() returns timestamptz language sql stable
      as 'select pg_catalog.now() + by from attune.clock_shift';
    create function attune.clock_timestamp() returns timestamptz language sql volatile
      as 'select pg_catalog.clock_timestamp() + by from attune.clock_shift'`);
  const url = new URL(databaseUrl);
  url.search = `options=${encodeURIComponent("-c search_path=attune,public,pg_catalog")}`;
  return {
    url: url.href,
    async setBy(seconds) {
      await client.query("update attune.clock_shift set by = by + make_interval(secs => $1)", [seconds]);
    },
  };
}
