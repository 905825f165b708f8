/** The health of one part of the service (database, broker, …) and when it was checked. */
export interface PartHealth {
  /** Degraded means that it works but needs an operator's attention. */
  readonly state: "up" | "degraded" | "down" | "starting";
  /** One sentence for people about why it is not up. Contains no secrets. */
  readonly detail: string;
  /** Monotonic milliseconds at which this was last confirmed. */
  readonly checkedAtMs: number;
}
