/** What is known of one part of the service (database, broker, …) and since when. */
export interface PartHealth {
  /** Degraded: it does its work, and something about it needs an operator. */
  readonly state: "up" | "degraded" | "down" | "starting";
  /** One sentence for people; why it is not up. No secrets. */
  readonly detail: string;
  /** Monotonic milliseconds at which this was last confirmed, for the age of the knowledge. */
  readonly checkedAtMs: number;
}
