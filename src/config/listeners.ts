/** The addresses on which an agent with this configuration serves HTTP. */
import type { Config } from "./schema.ts";

export interface Listener {
  /** The section that configures it. */
  readonly section: "api" | "metrics";
  readonly host: string;
  /** 0 means any free port, which is allowed only for the API. */
  readonly port: number;
  /** Left out: plain HTTP. */
  readonly tls?: CertificateFiles;
}

export interface CertificateFiles {
  /** PEM, with the intermediate certificates. */
  readonly cert: string;
  readonly key: string;
}

/** The API comes first. All listeners serve health and metrics; only the API can use HTTPS. */
export function listeners({ api, metrics }: Pick<Config, "api" | "metrics">): readonly Listener[] {
  const all: Listener[] = [];
  if (api.enabled) {
    const { cert, key } = api.tls;
    const tls = cert === undefined || key === undefined ? {} : { tls: { cert, key } };
    all.push({ section: "api", host: api.host, port: api.port, ...tls });
  }
  if (metrics.port !== undefined) all.push({ section: "metrics", host: metrics.host, port: metrics.port });
  return all;
}
