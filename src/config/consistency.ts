/**
 * What the schema does not show: values that contradict each other, and URLs whose passwords cut them in two.
 */
import { serviceUrlProblem } from "../model/service-url.ts";
import type { Config } from "./schema.ts";
import type { Problem } from "./schema-problems.ts";
import type { Path } from "./yaml-source.ts";

export interface Contradiction extends Problem {
  /** The other keys that it comes from. */
  readonly others: readonly Path[];
}

export function contradictions(config: Config): readonly Contradiction[] {
  const { sensor } = config;
  const problems: Contradiction[] = [...urlProblems(config)];

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
  return problems;
}

function urlProblems({ database, message_queue: queue, api }: Config): readonly Contradiction[] {
  const urls = { database: database.url, message_queue: queue.url, api: api.url };
  return Object.entries(urls).flatMap(([section, url]) => {
    const reason = url === undefined ? undefined : serviceUrlProblem(url);
    return reason === undefined ? [] : [{ path: [section, "url"], reason, others: [] }];
  });
}
