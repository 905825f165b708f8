import { rowOf, rowsOf } from "../../database/statement.ts";
import { readWorkerStandings } from "../../database/statements/diagnosis.ts";
import { countedMessagesMax, measureOutbox } from "../../database/statements/outbox.ts";
import { durationText } from "../../model/texts/duration-text.ts";
import { good, notice, wrong, type Finding } from "../finding.ts";
import type { Look } from "../look.ts";

/** Longer than a sweep and a reconnection take, so an older message is stuck. */
const stuckAfterSeconds = 60;

/** Checks that stored messages are being published. */
export async function checkOutbox({ rows }: Look): Promise<readonly Finding[]> {
  const backlog = await rowOf(rows, measureOutbox, undefined);
  const { depth, oldestSeconds } = backlog ?? { depth: 0, oldestSeconds: 0 };
  if (depth === 0)
    return [good("messages", "none waiting to be published", { facts: { depth, oldestSeconds } })];

  const count = depth > countedMessagesMax ? `about ${depth}` : depth;
  const detail = `${count} waiting to be published, the oldest for ${durationText(oldestSeconds)}`;
  const facts = { depth, oldestSeconds };
  if (oldestSeconds < stuckAfterSeconds) return [good("messages", detail, { facts })];
  const workers = await rowsOf(rows, readWorkerStandings, undefined);
  if (!workers.some(({ isAlive }) => isAlive)) {
    return [notice("messages", detail, { facts, remedy: "start an agent to publish them" })];
  }
  return [wrong("messages", detail, { facts, remedy: "check that the agents can reach the broker" })];
}
