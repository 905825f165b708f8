/** What webhooks need from other features; the service wires it. */
import type { JsonValue } from "../model/json/json.ts";
import type { PostOutcome, PostRequest } from "../model/sensors/posted-event.ts";
import type { DeliveryVerdict } from "../model/webhooks/delivery-record.ts";

export interface EventPosts {
  /** Whether a request of that many bytes would find room. */
  hasRoom(caller: string, bytes: number): boolean;
  /** What became of each post, in their order, within a limit of time. */
  store(request: PostRequest): Promise<readonly PostOutcome[]>;
}

export interface SecretKey {
  readonly value: JsonValue;
  /** Of the sensor that created it; null: an admin did. */
  readonly creatorPackRef: string | null;
}

/** Undefined: there is no such key. Rejects if it cannot be read or decrypted. */
export type ReadSecret = (ref: string) => Promise<SecretKey | undefined>;

/** Satisfied by telemetry/metrics.ts. */
export interface WebhookMetrics {
  readonly webhookAnswered: (verdict: DeliveryVerdict, seconds: number) => void;
  readonly webhookRefused: (reason: string) => void;
  readonly webhookDeliveriesUnlogged: (count: number) => void;
}
