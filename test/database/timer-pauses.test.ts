/** What the database notes of pauses: docs/timers.md. */
import { expect, test } from "vitest";
import type { Client } from "pg";
import { freshDatabase } from "../support/postgres.ts";

/** A timer that has been paused since an hour ago, as far as the database knows. */
async function pausedTimer(client: Client, pausedUntil: string, timezone?: string): Promise<void> {
  const params = { interval: 60, paused_until: pausedUntil, ...(timezone === undefined ? {} : { timezone }) };
  await client.query("delete from rule");
  await client.query(
    "insert into rule (ref, action_ref, trigger_ref, trigger_params) values ('p.r', 'a', 'core.intervaltimer', $1)",
    [JSON.stringify(params)],
  );
  await client.query(
    "update timer_rule set schedule_since = now() - interval '2 days', paused_since = now() - interval '1 day'",
  );
}

async function resumed(client: Client): Promise<{ readonly end: Date; readonly isNow: boolean }> {
  await client.query("update rule set trigger_params = trigger_params - 'paused_until'");
  const { rows } = await client.query(
    "select upper(pauses) as end, upper(pauses) > now() - interval '1 minute' as \"isNow\" from timer_rule",
  );
  return rows[0];
}

test("a pause that is lifted after its end has ended at that time", async () => {
  await using fresh = await freshDatabase();
  const client = await fresh.connect();
  const end = new Date(Math.floor(Date.now() / 60_000) * 60_000 - 3_600_000);
  const instant = end.toISOString();
  const wallAt = (hoursEast: number): string =>
    new Date(end.getTime() + hoursEast * 3_600_000).toISOString().slice(0, 19);

  for (const [pausedUntil, timezone] of [
    [instant, undefined],
    [instant, "Asia/Tokyo"],
    [`${wallAt(0)}+00:00`, undefined],
    [`${wallAt(0).toLowerCase()}z`, "+05:30"],
    [wallAt(0), undefined],
    [wallAt(0).replace("T", " ").slice(0, 16), "UTC"],
    [wallAt(9), "asia/tokyo"],
    [wallAt(5.5), "+05:30"],
  ] as const) {
    await pausedTimer(client, pausedUntil, timezone);

    expect([pausedUntil, timezone, (await resumed(client)).end]).toEqual([pausedUntil, timezone, end]);
  }
});

test("a pause that is lifted before its end, or has no end that can be read, ends now", async () => {
  await using fresh = await freshDatabase();
  const client = await fresh.connect();

  for (const [pausedUntil, timezone] of [
    ["2999-01-01", undefined],
    ["2999-01-01T00:00:00Z", "Europe/Berlin"],
    ["yesterday", undefined],
    ["2020-13-45", undefined],
    ["2020-01-01", "Nowhere/Land"],
    ["2020-01-01", "+99:99"],
  ] as const) {
    await pausedTimer(client, pausedUntil, timezone);

    expect([pausedUntil, (await resumed(client)).isNow]).toEqual([pausedUntil, true]);
  }
});

test("a pause whose time is replaced ends at its first one, and the next begins", async () => {
  await using fresh = await freshDatabase();
  const client = await fresh.connect();
  const end = new Date(Date.now() - 3_600_000);
  await pausedTimer(client, end.toISOString());

  await client.query(`update rule set trigger_params = trigger_params || '{"paused_until": "2999-01-01"}'`);

  const { rows } = await client.query(
    "select upper(pauses) as end, paused_since > now() - interval '1 minute' as is_paused_since_now from timer_rule",
  );
  expect(rows).toEqual([{ end, is_paused_since_now: true }]);
});
