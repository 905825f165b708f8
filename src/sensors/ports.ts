/** What the sensors feature needs from other features; the service wires it. */
import type { Id } from "../model/identifiers.ts";
import type { AssignmentTerm } from "../model/sensors/incoming-event.ts";
import type { JsonObject } from "../model/json/json.ts";
import type { FileMetrics } from "./files/file-watches.ts";
import type { RuntimeAnswer } from "../model/runtimes/runtime-offer.ts";

export interface SensorAssignments {
  /** The sensors this worker should run, with their terms. A new map whenever it changes. */
  held(): ReadonlyMap<Id, AssignmentTerm>;
}

export interface OfferedRuntimes {
  /** Pending if its row may be new and has not been verified yet; a wake follows. */
  offered(runtimeRef: string): RuntimeAnswer | { readonly kind: "pending" };
}

/** Satisfied by telemetry/metrics.ts. */
export interface SensorMetrics {
  readonly linesRejected: (sensorRef: string, count: number) => void;
  readonly sensorRestarted: (sensorRef: string) => void;
  readonly fileChanged: FileMetrics["fileChanged"];
  readonly filesRescanned: FileMetrics["filesRescanned"];
  /** A timer's event was stored, for a slot that fired so long after it was due. */
  readonly timerFired: (lateSeconds: number) => void;
  readonly timersSkipped: (reason: string, slots: number) => void;
}

/** Reports a failed sensor as an event of the trigger core.alert. */
export interface SensorAlert {
  readonly sensorId: Id;
  readonly sensorRef: string;
  /** The event's payload. */
  readonly payload: JsonObject;
}

/** What a token is minted for; see model/identity/caller.ts. */
export interface TokenRequest {
  readonly sensorRef: string;
  readonly sensorId: Id;
  readonly triggerRefs: readonly string[];
  readonly term: AssignmentTerm;
  /** By default the platform decides. */
  readonly ttlSeconds?: number;
}

export interface SensorToken {
  readonly token: string;
  readonly jti: string;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
}

/** The tokens with which sensors talk to the platform: this agent's own, or another platform's. */
export interface SensorTokens {
  /** Rejects with a reason for the operator while the platform cannot be asked. */
  mint(request: TokenRequest): Promise<SensorToken>;
  /** Takes effect at once on every agent. */
  revoke(jti: string): Promise<void>;
}

/** How programs on this machine reach the platform. */
export interface PlatformAddress {
  /** Without a path. */
  readonly apiUrl: string;
  /** Where rule changes are pushed. */
  readonly notifierUrl: string;
  readonly isInsecureNotifierAllowed: boolean;
}

/** What requests to this agent's API show of a sensor's program. */
export interface SensorTraces {
  /** Of the tokens it has used; milliseconds since the epoch. Undefined: it has used none. */
  newestExpiryMs(sensorRef: string): number | undefined;
  /** When it last used one, on the monotonic clock. */
  usedAtMs(sensorRef: string): number | undefined;
  /** When it last read its rules, on the monotonic clock. */
  rulesReadAtMs(sensorRef: string): number | undefined;
  /** Its open connections for rule changes; undefined: they go to another address. */
  connectionCount(sensorRef: string): number | undefined;
}

/** The queues at which sensors that share the broker hear of rule changes. */
export interface SensorQueues {
  /** What programs find the broker by: ATTUNE_MQ_URL and ATTUNE_MQ_EXCHANGE. */
  variables(): Promise<Readonly<Record<string, string>>>;
  /** Declares it, binds it and empties it. */
  prepare(sensorRef: string): Promise<void>;
  /** Unless it has a consumer. */
  remove(sensorRef: string): Promise<void>;
  /** Undefined: the broker cannot be asked now. */
  consumerCount(sensorRef: string): Promise<number | undefined>;
}

/** What the sensors of this worker are given. */
export interface Platform {
  readonly address: PlatformAddress;
  readonly tokens: SensorTokens;
  /** Null: their requests go elsewhere, so that nothing can be told from them. */
  readonly traces: SensorTraces | null;
  /** Null: the broker is not shared with sensors. */
  readonly queues: SensorQueues | null;
}
