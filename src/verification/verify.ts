/**
 * Proves that stored rows agree with each other: that each event has exactly the enforcements which the rules demand that it was
 * matched with, and that messages, checkpoints, dedup keys and sequences fit what is stored.
 *
 * It reads page by page. Each page is one snapshot, in which rows that were committed together are seen together, so it
 * may run beside agents that store. Pages are bounded in rows and in bytes of payloads.
 */
import type { Database } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { readBounds } from "../database/statements/verified-events.ts";
import type { Id } from "../model/identifiers.ts";
import { snapshot } from "./page-snapshot.ts";
import { verifierOf, verifyEvents } from "./verify-events.ts";
import type { VerifyOptions } from "./verify-options.ts";
import { verifyCheckpoints, verifyKeys, verifyMessages, verifySequences } from "./verify-references.ts";

/**
 * Yields after each page of events.
 *
 * @param since events from then on, and the keys of that time; null: all
 */
export async function* verify(options: VerifyOptions, since: Date | null): AsyncGenerator<void, void, void> {
  const bounds = await snapshot(options, (rows) => rowOf(rows, readBounds, { since }));
  const { startEvent = null, firstEvent = null } = bounds ?? {};
  if (startEvent !== null) {
    let after: Id | undefined = before(startEvent);
    const verifier = await verifierOf(options, firstEvent);
    while (after !== undefined && !options.signal.aborted) {
      after = await verifyEvents(verifier, after);
      yield;
    }
  }
  await verifyMessages(options, Number.POSITIVE_INFINITY);
  await verifyKeys(options, since, firstEvent);
  await verifyCheckpoints(options);
  await verifySequences(options);
}

/** Some events from the id on, and everything that does not grow with the number of events. */
export async function verifySample(
  options: VerifyOptions,
  { first, from }: { readonly first: bigint; readonly from: bigint },
): Promise<void> {
  await verifyEvents(await verifierOf(options, String(first)), before(String(from)));
  await verifyMessages(options, 1);
  await verifyCheckpoints(options);
  await verifySequences(options);
}

export interface EventRange {
  readonly first: bigint;
  readonly last: bigint;
  /** What retention has left begins here. */
  readonly firstKept: bigint;
}

/** Undefined: there are no events. */
export async function readEventRange(database: Database): Promise<EventRange | undefined> {
  const bounds = await rowOf(database, readBounds, { since: null });
  const { startEvent = null, lastEvent = null, firstEvent = null } = bounds ?? {};
  if (startEvent === null || lastEvent === null) return undefined;
  return {
    first: BigInt(startEvent),
    last: BigInt(lastEvent),
    firstKept: BigInt(firstEvent ?? startEvent),
  };
}

function before(id: Id): Id {
  return String(BigInt(id) - 1n);
}
