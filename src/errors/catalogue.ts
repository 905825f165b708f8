/**
 * All failures that users and HTTP clients can see, by code. docs/errors.md lists the same codes with remedies; a
 * test compares the two.
 */
export interface CatalogueEntry {
  readonly meaning: string;
  /** HTTP status of a request that fails this way; null if no request can. */
  readonly status: number | null;
}

/** Failures of the agent and of the services it uses. */
const operatorErrors = {
  CONFIG_INVALID: { meaning: "the configuration has problems; each is listed with its path", status: null },
  CONFIG_UNREADABLE: { meaning: "the configuration file cannot be read or is not YAML", status: null },
  WORKING_DIRECTORY_GONE: {
    meaning: "the directory in which the agent was started no longer exists",
    status: null,
  },
  DATABASE_UNREACHABLE: { meaning: "the database does not answer, or cannot be opened", status: 503 },
  DATABASE_LOGIN_REFUSED: {
    meaning: "the database refuses the user, the password or this machine",
    status: 503,
  },
  DATABASE_CLOSED: { meaning: "the database accepts no connections", status: 503 },
  DATABASE_NOT_FOUND: { meaning: "the server has no database with that name", status: 503 },
  DATABASE_OUTDATED: { meaning: "the server's PostgreSQL is older than version 14", status: 503 },
  DATABASE_READ_ONLY: { meaning: "the database is read-only", status: 503 },
  DATABASE_RIGHTS_MISSING: { meaning: "the database role lacks a right", status: 503 },
  DATABASE_EXHAUSTED: { meaning: "the database server has no connections, disk or memory left", status: 503 },
  DATABASE_POOLER: {
    meaning:
      "a connection pooler or another service answers in place of PostgreSQL and lacks a feature the agent needs",
    status: 503,
  },
  DATABASE_FOREIGN: {
    meaning: "the schema contains another program's tables with names that the agent uses",
    status: 503,
  },
  DATABASE_INCOMPLETE: { meaning: "tables created by migrations are missing or changed", status: 503 },
  DATABASE_DAMAGED: { meaning: "the database's files are damaged or belong to another version", status: 503 },
  DATABASE_REFUSED: { meaning: "the database refused a statement", status: 500 },
  MIGRATION_FAILED: { meaning: "a migration could not be applied", status: null },
  BROKER_UNREACHABLE: { meaning: "the message broker does not answer", status: null },
  BROKER_LOGIN_REFUSED: {
    meaning: "the message broker refuses the user, the password or this machine",
    status: null,
  },
  BROKER_VHOST_REFUSED: {
    meaning: "the virtual host does not exist, or this user has no access to it",
    status: null,
  },
  BROKER_RIGHTS_MISSING: { meaning: "the broker's user lacks a right in the virtual host", status: null },
  BROKER_CONFLICT: {
    meaning: "an exchange or queue exists with other properties or is in use",
    status: null,
  },
  BROKER_REFUSED: { meaning: "the message broker refused an operation", status: null },
  TLS_FAILED: {
    meaning: "no trusted TLS connection to the database or the broker could be established",
    status: 503,
  },
  WORKER_NAME_TAKEN: { meaning: "another live process is registered under this worker name", status: null },
  WORKER_SUPERSEDED: {
    meaning: "another process took over this worker's name, or the database was restored to an earlier state",
    status: null,
  },
  DATA_DIRECTORY_IN_USE: { meaning: "another process uses this data directory", status: null },
  PACK_INVALID: { meaning: "a pack has problems; each is listed with file, line and field", status: null },
  BACKTEST_INVALID: { meaning: "a change or a limit given to a back-test cannot be read", status: null },
  EVENT_INVALID: { meaning: "an event given to a command cannot be read", status: null },
  API_UNREACHABLE: { meaning: "no agent's API is known or answers there", status: null },
  API_REFUSED: { meaning: "the agent's API refused the request", status: null },
  PORT_IN_USE: { meaning: "the agent cannot listen on the HTTP address", status: null },
  INSTALL_FAILED: { meaning: "the executable could not be copied into that folder", status: null },
  INSTALL_NOEXEC: { meaning: "programs cannot be executed from that folder", status: null },
  INSTALL_WRONG_MACHINE: { meaning: "the executable is for another machine architecture", status: null },
  INSTALL_NOT_EXECUTABLE: { meaning: "the copied executable failed when it was started there", status: null },
  ENCRYPTION_KEY_MISSING: {
    meaning: "the key store needs security.encryption_key, which is not set",
    status: 503,
  },
  KEY_UNREADABLE: {
    meaning:
      "neither security.encryption_key nor security.encryption_key_previous decrypts the value of this key",
    status: 503,
  },
  OUTPUT_FAILED: { meaning: "a report could not be written to standard output", status: null },
} as const satisfies Readonly<Record<string, CatalogueEntry>>;

/** Failures of a single HTTP request. No two share a status. */
export const requestErrors = {
  BAD_REQUEST: { meaning: "the request is not valid HTTP, or its body is not valid JSON", status: 400 },
  UNAUTHORIZED: { meaning: "the request has no valid token", status: 401 },
  FORBIDDEN: { meaning: "the caller may not use this path", status: 403 },
  NOT_FOUND: { meaning: "the path, or what it names, does not exist", status: 404 },
  METHOD_NOT_ALLOWED: { meaning: "the path does not support this method", status: 405 },
  REQUEST_TIMEOUT: { meaning: "the request did not arrive completely in time", status: 408 },
  CONFLICT: { meaning: "it exists already, or is not as the request assumes", status: 409 },
  PRECONDITION_FAILED: { meaning: "it has changed since the version that If-Match names", status: 412 },
  PAYLOAD_TOO_LARGE: { meaning: "the body of the request is too large", status: 413 },
  URI_TOO_LONG: { meaning: "a part of the path is too long", status: 414 },
  UNSUPPORTED_MEDIA_TYPE: { meaning: "the body is of a type that the path does not accept", status: 415 },
  EXPECTATION_FAILED: {
    meaning: "the Expect header asks for something other than 100-continue",
    status: 417,
  },
  VALIDATION_FAILED: { meaning: "parameters of the request have problems; details lists each", status: 422 },
  TOO_MANY_REQUESTS: {
    meaning: "too many requests of this kind; Retry-After says when to try again",
    status: 429,
  },
  HEADERS_TOO_LARGE: { meaning: "the headers of the request are too large", status: 431 },
  INTERNAL_ERROR: { meaning: "the request failed because of a bug", status: 500 },
  UNAVAILABLE: { meaning: "the agent is stopping, or is serving too many requests", status: 503 },
  OUTCOME_UNKNOWN: { meaning: "an event was not stored in time, and may be stored or not", status: 504 },
} as const satisfies Readonly<Record<string, CatalogueEntry>>;

export const errorCatalogue = { ...operatorErrors, ...requestErrors };

export type ErrorCode = keyof typeof errorCatalogue;
export type RequestErrorCode = keyof typeof requestErrors;
