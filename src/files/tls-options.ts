/**
 * Converts TLS settings to Node's options. The files are reread for each connection, because certificates are
 * renewed while the agent runs.
 */
import { readFileSync } from "node:fs";
import { checkServerIdentity, type ConnectionOptions } from "node:tls";
import { rereadText } from "./reread-text.ts";

export interface TlsSettings {
  /** PEM files: the authority to trust instead of the default ones, and the client's certificate and key. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Name that the certificate must have, if it is not the URL's host. */
  readonly server_name?: string | undefined;
  /** `ca` accepts any name, `none` any certificate. By default everything is verified. */
  readonly verify?: "full" | "ca" | "none" | undefined;
}

export type TlsOptions = Pick<
  ConnectionOptions,
  "ca" | "cert" | "key" | "servername" | "rejectUnauthorized" | "checkServerIdentity"
>;

export function isTlsSet(settings: TlsSettings): boolean {
  return Object.values(settings).some((value) => value !== undefined);
}

/** @throws Error if a file cannot be read now; if that happens later, its last contents are kept */
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
