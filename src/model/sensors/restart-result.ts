import type { SensorState } from "./sensor-state.ts";

/** What became of a request to restart a sensor, on the worker that owns it. */
export type RestartResult =
  /** Its former process has ended and it has been restarted; how that went. */
  | { readonly kind: "restarted"; readonly state: SensorState }
  /** It has been told to stop and will be restarted, but that takes longer than the caller waits. */
  | { readonly kind: "under-way" }
  /** It is not to run here. */
  | { readonly kind: "refused"; readonly reason: string };
