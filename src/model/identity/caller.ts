/** Who asks something of the platform, and what each role may do. */
import type { Id } from "../identifiers.ts";
import type { AssignmentTerm } from "../sensors/incoming-event.ts";

/**
 * - `admin` may do everything.
 * - `viewer` may read everything but keys.
 * - `worker` may mint tokens for sensors and forward requests to other workers.
 * - `sensor` may emit events of its triggers, and read its triggers, their rules, and its own and its pack's keys.
 */
export const roles = ["admin", "viewer", "worker", "sensor"] as const;

export type Role = (typeof roles)[number];

/** What a sensor's token is bound to. */
export interface SensorGrant {
  readonly sensorRef: string;
  /** Triggers whose events it may emit and whose rules it may read. */
  readonly triggerRefs: readonly string[];
  /** The assignment for which an agent minted it. Null: minted for a sensor that no agent runs. */
  readonly term: AssignmentTerm | null;
}

interface AnyCaller {
  readonly identityId: Id;
  readonly login: string;
  /** Of the token, for revocation; null: the token has none. */
  readonly jti: string | null;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
}

export type Caller =
  | (AnyCaller & { readonly role: Exclude<Role, "sensor"> })
  | (AnyCaller & { readonly role: "sensor"; readonly grant: SensorGrant });
