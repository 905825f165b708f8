/** One request to a webhook, or several alike, as the delivery log keeps it. */
import type { Id } from "../identifiers.ts";

export const deliveryVerdicts = ["accepted", "duplicate", "challenge", "refused", "failed"] as const;

/**
 * - accepted: an event was stored.
 * - duplicate: the sender repeated a delivery whose event is stored.
 * - challenge: the sender asked whether the endpoint belongs to its owner.
 * - refused: sent again as it is, it would be refused again.
 * - failed: nothing was stored, or it is unknown; the sender should repeat it.
 */
export type DeliveryVerdict = (typeof deliveryVerdicts)[number];

export interface DeliveryRecord {
  readonly requestId: string | null;
  readonly deliveryId: string | null;
  readonly verdict: DeliveryVerdict;
  readonly reason: string | null;
  readonly triggerRef: string | null;
  /** Of several rules the first. */
  readonly ruleRef: string | null;
  readonly method: string;
  readonly path: string | null;
  readonly eventId: Id | null;
  readonly eventCount: number;
  readonly remoteAddress: string | null;
  readonly bytes: number;
  readonly seconds: number;
  readonly status: number;
  readonly requests: number;
  readonly workerName: string;
  readonly createdAt: Date;
}
