import type { Database } from "../../database/database.ts";
import { rowOf } from "../../database/statement.ts";
import { readDatabaseClock } from "../../database/statements/diagnosis.ts";
import { durationText } from "../../model/texts/duration-text.ts";
import type { Clock } from "../../time/clock.ts";
import { wrong, type Finding } from "../finding.ts";

/** Slots of timers that are at most this late fire in any case. */
const differenceMsMax = 5_000;

/**
 * Compares this machine's clock with the database's. Leases and stored times follow the database's clock; timers, tokens and
 * signatures of webhooks follow this machine's.
 */
export async function checkClock(database: Database, clock: Clock): Promise<readonly Finding[]> {
  if (database.kind === "embedded") return [];
  const askedAtMs = clock.nowMs();
  const reading = await rowOf(database, readDatabaseClock, undefined);
  if (reading === undefined) return [];
  // The database read its clock between the question and the answer.
  const aheadMs = askedAtMs - reading.nowMs;
  const behindMs = reading.nowMs - clock.nowMs();
  const differenceMs = Math.max(aheadMs, behindMs);
  if (differenceMs <= differenceMsMax) return [];
  const which = aheadMs > 0 ? "ahead of" : "behind";
  return [
    wrong(
      "clock",
      `this machine's clock is ${durationText(differenceMs / 1_000)} ${which} the database's: timers fire at wrong times, ` +
        "and tokens and signed webhooks may be refused",
      { remedy: "synchronise the clocks of both machines, for example with chrony or systemd-timesyncd" },
    ),
  ];
}
