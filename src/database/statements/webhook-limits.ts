/** Rate limits of webhooks and the signatures that were used, both across agents. */
import { noRows, type Row, type Statement } from "../statement.ts";

export interface RateRequest {
  /** With its limit. */
  readonly endpoint: string;
  readonly bucket: number;
  /** How many requests want to pass. */
  readonly wanted: number;
  /** How many the bucket holds, and in which time it is filled. */
  readonly requests: number;
  readonly seconds: number;
}

export interface RateGrant {
  /** How many may pass. */
  readonly granted: number;
  /** Until the next one may. */
  readonly retrySeconds: number;
}

/**
 * Takes as many requests from the bucket as it holds. One statement, by the database's clock: agents that ask at the same moment
 * follow each other on the row's lock, and no request is counted twice.
 *
 * The bucket holds `requests`, and each takes `seconds / requests` to come back. So it now holds as many as fit between
 * `full_at` and `seconds` from now. A bucket that is full even later dates from before the clock was set back, and is full.
 */
export const takeFromRate: Statement<RateRequest, RateGrant> = {
  name: "take_from_webhook_rate",
  text: `
    insert into webhook_rate as rate (endpoint, bucket, full_at, granted)
    values ($1, $2, clock_timestamp() + least($3::int, $4::int) * make_interval(secs => $5::float8 / $4), least($3::int, $4::int))
    on conflict (endpoint, bucket) do update
       set (full_at, granted) = (
             select start + take * make_interval(secs => $5::float8 / $4), take
               from (select case when rate.full_at between clock_timestamp() and clock_timestamp() + make_interval(secs => $5 + 1)
                                 then rate.full_at
                                 else clock_timestamp()
                            end as start) as begun,
                    lateral (select least($3::int, greatest(0, floor($4 - extract(epoch from start - clock_timestamp()) * $4 / $5::float8 + 1e-6)::int)) as take) as taken)
    returning granted,
              greatest(0, extract(epoch from full_at - clock_timestamp()) - $5::float8 + $5::float8 / $4)::float8 as retry_seconds`,
  values: ({ endpoint, bucket, wanted, requests, seconds }) => [endpoint, bucket, wanted, requests, seconds],
  decode: (row) => ({ granted: row.number("granted"), retrySeconds: row.number("retry_seconds") }),
};

export interface NonceUse {
  readonly endpoint: string;
  readonly nonces: readonly string[];
  readonly deliveryId: string;
  readonly keptSeconds: number;
}

/**
 * The delivery id that each of the signatures first came with: this one's, if the signature is new.
 *
 * The update changes nothing but lets a conflicting row be returned, also one that another agent inserts at the same moment.
 */
export const claimNonces: Statement<NonceUse, string> = {
  name: "claim_webhook_nonces",
  text: `
    insert into webhook_nonce as used (endpoint, nonce, delivery_id, expires_at)
    select $1, nonce, $3, now() + make_interval(secs => $4)
      from unnest($2::text[]) as nonce
     order by nonce
    on conflict (endpoint, nonce) do update
       set delivery_id = used.delivery_id
    returning delivery_id`,
  values: ({ endpoint, nonces, deliveryId, keptSeconds }) => [endpoint, nonces, deliveryId, keptSeconds],
  decode: (row) => row.text("delivery_id"),
};

/** Signatures of one request that first came apart from each other are of one delivery from now on. */
export const joinNonces: Statement<Omit<NonceUse, "keptSeconds">, never> = {
  name: "join_webhook_nonces",
  text: "update webhook_nonce set delivery_id = $3 where endpoint = $1 and nonce = any($2::text[])",
  values: ({ endpoint, nonces, deliveryId }) => [endpoint, nonces, deliveryId],
  decode: noRows,
};

const countOf = (row: Row): number => row.number("count");

/** Deletes some full buckets, since a missing bucket counts as full. Skips rows that are in use. */
export const forgetRates: Statement<number, number> = {
  name: "forget_webhook_rates",
  text: `
    with full_ones as (
      select endpoint, bucket
        from webhook_rate
       where full_at < now()
       limit $1
         for update skip locked
    ), deleted as (
      delete from webhook_rate
       using full_ones
       where webhook_rate.endpoint = full_ones.endpoint
         and webhook_rate.bucket = full_ones.bucket
      returning 1
    )
    select count(*)::int as count from deleted`,
  values: (countMax) => [countMax],
  decode: countOf,
};

/** Some nonces whose signatures are too old to be accepted. */
export const forgetNonces: Statement<number, number> = {
  name: "forget_webhook_nonces",
  text: `
    with expired as (
      select endpoint, nonce
        from webhook_nonce
       where expires_at < now()
       order by expires_at
       limit $1
         for update skip locked
    ), deleted as (
      delete from webhook_nonce
       using expired
       where webhook_nonce.endpoint = expired.endpoint
         and webhook_nonce.nonce = expired.nonce
      returning 1
    )
    select count(*)::int as count from deleted`,
  values: (countMax) => [countMax],
  decode: countOf,
};
