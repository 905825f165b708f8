/** What is known of one part of the service (database, broker, …) and since when. */
export interface PartHealth {
  readonly state: "up" | "down" | "starting";
  /** One sentence for people; why it is down. No secrets. */
  readonly detail: string;
  /** Monotonic milliseconds at which this was last confirmed, for the age of the knowledge. */
  readonly checkedAtMs: number;
}
