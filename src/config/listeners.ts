/** The addresses on which an agent with this configuration serves HTTP. */
import { lookup } from "node:dns/promises";
import { hostname as machineName, networkInterfaces } from "node:os";
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
  /** Authorities of client certificates; left out: clients are not asked for one. */
  readonly clientCa?: string;
}

/**
 * The one address that a host stands for, of IPv4 if it has one: clients that try ::1 first for localhost fall back to
 * 127.0.0.1, but those that know only 127.0.0.1 would not find ::1.
 *
 * @throws the error of the lookup
 */
export async function addressOf({ host }: Pick<Listener, "host">): Promise<string> {
  const { address } = await lookup(host, { order: "ipv4first" });
  return address;
}

/** Whether this agent serves the API. Without a setting it does, unless `api.url` names another platform's. */
export function servesApi({ api }: Pick<Config, "api">): boolean {
  return api.enabled ?? (api.url === undefined || namesThisAgent(api.url, api));
}

/** The other platform that sensors talk to, without a path; undefined: this agent's, or none. */
export function remotePlatformUrl({ api }: Pick<Config, "api">): string | undefined {
  return servesApi({ api }) || api.url === undefined ? undefined : new URL(api.url).origin;
}

/** As the agent's own definitions for containers set it: a name or address of this machine, and the API's port. */
function namesThisAgent(url: string, { host, port }: Pick<Config["api"], "host" | "port">): boolean {
  const { hostname, port: given, protocol } = new URL(url);
  const urlPort = given === "" ? (protocol === "https:" ? 443 : 80) : Number(given);
  if (urlPort !== port) return false;
  const name = hostname.replace(/^\[(.*)\]$/, "$1");
  const addresses = Object.values(networkInterfaces()).flatMap(
    (all) => all?.map(({ address }) => address) ?? [],
  );
  const own = ["localhost", host, machineName(), ...addresses];
  return name.startsWith("127.") || own.some((each) => each.toLowerCase() === name.toLowerCase());
}

/** The API comes first. All listeners serve health and metrics; only the API can use HTTPS. */
export function listeners({ api, metrics }: Pick<Config, "api" | "metrics">): readonly Listener[] {
  const all: Listener[] = [];
  if (servesApi({ api })) {
    const { cert, key, client_ca: clientCa } = api.tls;
    const clients = clientCa === undefined ? {} : { clientCa };
    const tls = cert === undefined || key === undefined ? {} : { tls: { cert, key, ...clients } };
    all.push({ section: "api", host: api.host, port: api.port, ...tls });
  }
  if (metrics.port !== undefined) all.push({ section: "metrics", host: metrics.host, port: metrics.port });
  return all;
}
