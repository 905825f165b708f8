/**
 * The TLS settings of a connection as Node wants them. The files are read again at each connection, since
 * certificates are renewed while the agent runs.
 */
import { readFileSync } from "node:fs";
import { checkServerIdentity, type ConnectionOptions } from "node:tls";
import { rereadText } from "./reread-text.ts";

export interface TlsSettings {
  /** Files in PEM: of the authority that is trusted instead of the usual ones, and of the client's certificate. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Name that the certificate must have, where it is not the URL's host. */
  readonly server_name?: string | undefined;
  /** `ca`: any name is accepted; `none`: any certificate. By default all is checked. */
  readonly verify?: "full" | "ca" | "none" | undefined;
}

export type TlsOptions = Pick<
  ConnectionOptions,
  "ca" | "cert" | "key" | "servername" | "rejectUnauthorized" | "checkServerIdentity"
>;

export function isTlsSet(settings: TlsSettings): boolean {
  return Object.values(settings).some((value) => value !== undefined);
}

/** @throws Error when a file cannot be read now; later, what it held last stays */
export function tlsOptions(settings: TlsSettings): () => TlsOptions {
  const files = (["ca", "cert", "key"] as const).flatMap((name) => {
    const path = settings[name];
    if (path === undefined) return [];
    return [
      { name, text: rereadText(path, readFileSync(path, "utf8"), (text) => text.includes("-----BEGIN ")) },
    ];
  });
  const { server_name: name, verify } = settings;
  const fixed: TlsOptions = {
    ...(verify === "none" ? { rejectUnauthorized: false } : {}),
    ...(verify === "ca" ? { checkServerIdentity: () => undefined } : {}),
    ...(name === undefined ? {} : { servername: name }),
    ...(name !== undefined && verify !== "ca"
      ? { checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate) }
      : {}),
  };
  return () => ({ ...fixed, ...Object.fromEntries(files.map(({ name: key, text }) => [key, text()])) });
}
