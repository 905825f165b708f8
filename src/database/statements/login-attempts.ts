/** How often somebody tried to log in, by the database's clock. */
import { noRows, type Statement } from "../statement.ts";

export interface AttemptKey {
  readonly key: string;
  readonly windowSeconds: number;
}

export interface CountedAttempts {
  readonly attempts: number;
  /** Until counting begins again; at least 1. */
  readonly secondsLeft: number;
}

/**
 * Counts one more. Concurrent attempts wait for the row, so that none is missed. A window that ends too far ahead dates from
 * before the clock was set back, and is over. Rows of windows that are over are deleted along the way, faster than they come.
 */
export const countLoginAttempt: Statement<AttemptKey, CountedAttempts> = {
  name: "count_login_attempt",
  text: `
    with forgotten as (
      delete from login_attempt
       where key in (select key
                       from login_attempt
                      where resets_at < now()
                        and key <> $1
                      limit 10
                        for update skip locked)
    )
    insert into login_attempt (key, attempts, resets_at)
    values ($1, 1, now() + make_interval(secs => $2))
    on conflict (key) do update
       set attempts = case when login_attempt.resets_at between now() and excluded.resets_at
                           then least(login_attempt.attempts, 1000000) + 1
                           else 1
                       end,
           resets_at = case when login_attempt.resets_at between now() and excluded.resets_at
                            then login_attempt.resets_at
                            else excluded.resets_at
                        end
    returning attempts, greatest(ceil(extract(epoch from resets_at - now())), 1)::integer as seconds_left`,
  values: ({ key, windowSeconds }) => [key, windowSeconds],
  decode: (row) => ({ attempts: row.number("attempts"), secondsLeft: row.number("seconds_left") }),
};

export const forgetLoginAttempts: Statement<string, never> = {
  name: "forget_login_attempts",
  text: `
    delete from login_attempt
     where key = $1`,
  values: (key) => [key],
  decode: noRows,
};
