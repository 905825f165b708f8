import type { GaugeSources } from "../../src/telemetry/gauges.ts";

/** A worker that has nothing to do and nothing to complain of. */
export const idleSources: GaugeSources = {
  parts: () => ({}),
  sensorsByState: () => ({ starting: 0, running: 2, backoff: 0, failed: 0, stopped: 0 }),
  sensorsSilentSeconds: () => new Map(),
  sensorsOutputAgeSeconds: () => new Map(),
  sensorsUnusuallySilent: () => new Map(),
  sensorsLastEventSeconds: () => new Map(),
  sensorsStalledSeconds: () => new Map(),
  sensorsDeafSeconds: () => new Map(),
  eventsInFlight: () => 0,
  brokerCondition: () => "up",
  isBehind: () => false,
  messagesRefused: () => new Map(),
  unroutableKeys: () => [],
  leasesHeld: () => 0,
  sensorsUnplaced: () => 0,
  keptTables: () => new Map(),
  rules: () => ({ valid: 0, invalid: 0 }),
  filePlacesPolled: () => new Map(),
  webSockets: () => 0,
  keysUnreadable: () => 0,
  runtimesOffered: () => [],
  sensorCapacity: 10,
  sensorCapacityUsed: () => 0,
  fleet: async () => undefined,
};
