/**
 * How a connection to PostgreSQL is set up, for the pools and the session.
 *
 * Settings are part of the startup packet, so a new connection costs no extra round trip. A connection pooler in between
 * must therefore pass `options` through. It must pool sessions, not transactions, because LISTEN and session locks belong
 * to a session.
 */
import { Socket } from "node:net";
import { escapeIdentifier, types, type ClientConfig } from "pg";
import type { TlsOptions } from "../../files/tls-options.ts";
import { parseJson } from "../../model/json/json-text.ts";
import { postgresqlAddress } from "./address.ts";

export interface ConnectionSettings {
  /** Called at each connection, because a password may have been rotated. */
  readonly url: () => string;
  /** For the next connection; undefined to use the URL's. */
  readonly tls: (() => TlsOptions) | undefined;
  readonly schema: string;
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  readonly queryTimeoutMs: number;
  /** Of the next session. */
  readonly rowSecurity: () => "on" | "off";
}

export interface PreparedConnection {
  /** For the next connection. */
  config(): ClientConfig;
  /** host:port/database, without credentials. */
  readonly address: string;
  /** For statements without a time limit of their own. Whoever sends one has to keep it; the server does so, too. */
  readonly queryTimeoutMs: number;
  /** Destroys every connection made from this config at once. */
  destroyAll(): void;
}

/**
 * How the server reads and writes values, whatever the role's or database's default. The driver decodes timestamps in the
 * style ISO only, floats need all their digits, and backslashes in the strings of statements and of the schema's functions
 * are backslashes. In UTC every day has 24 hours, and every agent writes an instant in the same way.
 */
const textForms = {
  DateStyle: "ISO, MDY",
  IntervalStyle: "postgres",
  TimeZone: "UTC",
  extra_float_digits: "1",
  standard_conforming_strings: "on",
  // Null in an array parameter is the word NULL.
  array_nulls: "on",
  // Names of tables are read from the catalog and compared.
  quote_all_identifiers: "off",
};

/** @param extraSettings server settings for this kind of connection, by name */
export function prepareConnection(
  settings: ConnectionSettings,
  extraSettings: Readonly<Record<string, string>> = {},
): PreparedConnection {
  const sockets = new Set<Socket>();
  const config = (): ClientConfig => ({
    connectionString: withServerSettings(settings.url(), {
      search_path: `${escapeIdentifier(settings.schema)}, public`,
      // Just-in-time compilation takes seconds if the planner overestimates a statement that takes milliseconds.
      jit: "off",
      // Statements rely on reading what was committed while they waited for a lock, whatever the role's or database's default.
      default_transaction_isolation: "read committed",
      row_security: settings.rowSecurity(),
      ...textForms,
      // The server must end it too, or an abandoned statement would keep running and hold its locks.
      statement_timeout: String(settings.queryTimeoutMs),
      // Meanwhile it waits for locks, whatever the role's or database's default.
      lock_timeout: "0",
      // Nor may a frozen process keep the locks of a transaction: the server ends its session.
      idle_in_transaction_session_timeout: String(settings.queryTimeoutMs),
      // How soon the server detects that this side is gone and releases the session's locks.
      tcp_keepalives_idle: "10",
      tcp_keepalives_interval: "5",
      tcp_keepalives_count: "3",
      ...extraSettings,
    }),
    application_name: settings.applicationName,
    ...(settings.tls === undefined ? {} : { ssl: settings.tls() }),
    connectionTimeoutMillis: settings.connectTimeoutMs,
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
    queryTimeoutMs: settings.queryTimeoutMs,
    destroyAll() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/**
 * The URL with `-c name=value` added to its `options` for each setting. Options in the URL itself come last and win.
 */
function withServerSettings(url: string, settings: Readonly<Record<string, string>>): string {
  const [base = "", query = ""] = url.split("?", 2);
  const parameters = new URLSearchParams(query);
  const ours = Object.entries(settings).map(
    // In `options` a backslash escapes a space.
    ([name, value]) => `-c ${name}=${value.replaceAll(/[\\ ]/g, String.raw`\$&`)}`,
  );
  const theirs = parameters.get("options") ?? "";
  parameters.delete("options");
  // The driver treats these as `verify-full` and warns on stderr; postgresql.ts logs it instead.
  if (parameters.get("uselibpqcompat") !== "true" && isLaxMode(parameters.get("sslmode")))
    parameters.set("sslmode", "verify-full");
  // Not with URLSearchParams: it writes a space as "+", which a PostgreSQL URL takes literally.
  const rest = [...parameters].map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `${base}?${[...rest, `options=${encodeURIComponent(`${ours.join(" ")} ${theirs}`.trim())}`].join("&")}`;
}

/** Modes of libpq that check less than `verify-full`; here they are as strict. */
export function isLaxMode(mode: string | null): boolean {
  return mode === "prefer" || mode === "require" || mode === "verify-ca";
}

/** Dates and times without a zone are not instants, and an interval is not a number, so they stay text. */
const textTypes = new Set<number>([types.builtins.DATE, types.builtins.TIMESTAMP, types.builtins.INTERVAL]);

/** Parsed with every digit of their numbers. */
const jsonTypes = new Set<number>([types.builtins.JSON, types.builtins.JSONB]);

function getTypeParser(oid: number): (value: string) => unknown {
  if (textTypes.has(oid)) return (value) => value;
  if (jsonTypes.has(oid)) return parseJson;
  // The driver's types list only known ids; it accepts any, and returns text unchanged for the others.
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment
  const parse: (value: string) => unknown = types.getTypeParser(oid, "text");
  return parse;
}
