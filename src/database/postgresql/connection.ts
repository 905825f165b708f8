/**
 * How a connection to PostgreSQL is set up: all that both pools and the session have in common.
 *
 * Settings travel in the startup packet, so a new connection costs no extra round trip. A connection
 * pooler between here and the server must therefore let `options` through, and must pool sessions,
 * not transactions: LISTEN and session locks live in one.
 */
import { Socket } from "node:net";
import { escapeIdentifier, types, type ClientConfig } from "pg";
import type { TlsOptions } from "../../files/tls-options.ts";
import { parseJson } from "../../model/json/json-text.ts";
import { postgresqlAddress } from "./address.ts";

export interface ConnectionSettings {
  /** Asked at each connection, since a password may have been rotated. */
  readonly url: () => string;
  /** Of the next connection; undefined: as the URL says. */
  readonly tls: (() => TlsOptions) | undefined;
  readonly schema: string;
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  readonly queryTimeoutMs: number;
}

export interface PreparedConnection {
  /** Of the next connection. */
  config(): ClientConfig;
  /** host:port/database, without credentials. */
  readonly address: string;
  /** Ends, at once and without ceremony, every connection made from this config. */
  destroyAll(): void;
}

/** @param extraSettings server settings of this kind of connection, by name */
export function prepareConnection(
  settings: ConnectionSettings,
  extraSettings: Readonly<Record<string, string>> = {},
): PreparedConnection {
  const sockets = new Set<Socket>();
  const config = (): ClientConfig => ({
    connectionString: withServerSettings(settings.url(), {
      search_path: `${escapeIdentifier(settings.schema)}, public`,
      // Compiling takes seconds where the planner overestimates a statement, and its own answer takes milliseconds.
      jit: "off",
      // Ended by the server as well, or an abandoned statement would go on and hold its locks.
      statement_timeout: String(settings.queryTimeoutMs),
      // How soon the server notices that this side is gone, and frees its session's locks.
      tcp_keepalives_idle: "10",
      tcp_keepalives_interval: "5",
      tcp_keepalives_count: "3",
      ...extraSettings,
    }),
    application_name: settings.applicationName,
    ...(settings.tls === undefined ? {} : { ssl: settings.tls() }),
    connectionTimeoutMillis: settings.connectTimeoutMs,
    query_timeout: settings.queryTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: { getTypeParser },
    stream: () => {
      const socket = new Socket();
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      return socket;
    },
  });
  return {
    config,
    address: postgresqlAddress(settings.url()),
    destroyAll() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/**
 * The URL with `-c name=value` for each setting added to its `options`. What the URL itself asks for
 * comes last and wins.
 */
function withServerSettings(url: string, settings: Readonly<Record<string, string>>): string {
  const [base = "", query = ""] = url.split("?", 2);
  const parameters = new URLSearchParams(query);
  const ours = Object.entries(settings).map(
    // Inside `options` a backslash keeps a space from separating two words.
    ([name, value]) => `-c ${name}=${value.replaceAll(/[\\ ]/g, String.raw`\$&`)}`,
  );
  const theirs = parameters.get("options") ?? "";
  parameters.delete("options");
  // The driver checks these as the last, and warns of it on stderr; postgresql.ts says so in the log.
  if (parameters.get("uselibpqcompat") !== "true" && isLaxMode(parameters.get("sslmode")))
    parameters.set("sslmode", "verify-full");
  // Not URLSearchParams' own form: it writes a space as "+", which a PostgreSQL URL takes literally.
  const rest = [...parameters].map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `${base}?${[...rest, `options=${encodeURIComponent(`${ours.join(" ")} ${theirs}`.trim())}`].join("&")}`;
}

/** Modes of libpq that check less than `verify-full`; here they check as much. */
export function isLaxMode(mode: string | null): boolean {
  return mode === "prefer" || mode === "require" || mode === "verify-ca";
}

/** Dates and times without a zone mean no instant, and an interval no number: they stay text. */
const textTypes = new Set<number>([types.builtins.DATE, types.builtins.TIMESTAMP, types.builtins.INTERVAL]);

/** With every digit of their numbers. */
const jsonTypes = new Set<number>([types.builtins.JSON, types.builtins.JSONB]);

function getTypeParser(oid: number): (value: string) => unknown {
  if (textTypes.has(oid)) return (value) => value;
  if (jsonTypes.has(oid)) return parseJson;
  // The driver's types list the ids it knows; it takes any and returns text unchanged for the others.
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment
  const parse: (value: string) => unknown = types.getTypeParser(oid, "text");
  return parse;
}
