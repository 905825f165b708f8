/** The addresses at which an agent of a configuration answers HTTP. */
import type { Config } from "./schema.ts";

export interface Listener {
  /** The section that sets it. */
  readonly section: "api" | "metrics";
  readonly host: string;
  /** 0 takes a free port; only the API's may be. */
  readonly port: number;
}

/** The API first. All of them answer for health and metrics. */
export function listeners({ api, metrics }: Pick<Config, "api" | "metrics">): readonly Listener[] {
  const all: Listener[] = [];
  if (api.enabled) all.push({ section: "api", host: api.host, port: api.port });
  if (metrics.port !== undefined) all.push({ section: "metrics", host: metrics.host, port: metrics.port });
  return all;
}
