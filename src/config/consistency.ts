/**
 * What no single key shows: values that contradict each other, and defaults that are unsafe where they
 * would take effect.
 */
import { isIP } from "node:net";
import type { Config } from "./schema.ts";
import type { Problem } from "./schema-problems.ts";
import type { Path } from "./yaml-source.ts";

/** RFC 7518 section 3.2: a key for HS256 is no shorter than the hash, 256 bits. */
const jwtSecretLengthMin = 32;

export interface Contradiction extends Problem {
  /** The other keys that it comes from. */
  readonly others: readonly Path[];
}

export function contradictions({ api, security, sensor }: Config): readonly Contradiction[] {
  const problems: Contradiction[] = [];

  if (sensor.lease_renewal_interval * 2 > sensor.lease_duration) {
    problems.push({
      path: ["sensor", "lease_renewal_interval"],
      reason: `must be at most half of sensor.lease_duration (${sensor.lease_duration}), so that one late renewal loses nothing, not ${sensor.lease_renewal_interval}`,
      others: [["sensor", "lease_duration"]],
    });
  }
  if (sensor.restart_delay > sensor.restart_delay_max) {
    problems.push({
      path: ["sensor", "restart_delay"],
      reason: `must be at most sensor.restart_delay_max (${sensor.restart_delay_max}), not ${sensor.restart_delay}`,
      others: [["sensor", "restart_delay_max"]],
    });
  }
  if (api.enabled && !isLoopback(api.host) && (security.jwt_secret ?? "").length < jwtSecretLengthMin) {
    problems.push({
      path: ["security", "jwt_secret"],
      reason: `must be set, with at least ${jwtSecretLengthMin} characters, because api.host ${api.host} is reachable from other machines`,
      others: [
        ["api", "host"],
        ["api", "enabled"],
      ],
    });
  }
  return problems;
}

/** RFC 6890: 127.0.0.0/8 and ::1, and the name that RFC 6761 reserves for them. */
function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith("127.");
  return host === "::1" || host.toLowerCase() === "localhost";
}
