/**
 * Classifies database failures for callers, for both implementations.
 *
 * Both implementations throw the server's own errors unchanged (an Error whose `code` is a SQLSTATE) and a
 * ConnectionError for every failure between here and the server.
 */
import { codeOf } from "../errors/caught.ts";

/** What is known about a statement or transaction whose connection failed. */
export type ConnectionOutcome = "nothing-done" | "unknown";

export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  /** `unknown`: the server may have committed; only the rows can tell. */
  readonly outcome: ConnectionOutcome;
  /** Whether it was open and had answered before. */
  readonly hadWorked: boolean;

  constructor(
    message: string,
    outcome: ConnectionOutcome,
    cause?: unknown,
    { hadWorked }: { readonly hadWorked: boolean } = { hadWorked: false },
  ) {
    super(message, { cause });
    this.outcome = outcome;
    this.hadWorked = hadWorked;
  }
}

export type DatabaseErrorKind =
  /** Nothing was done, and the same will work once the database has recovered. */
  | "unavailable"
  /** Like unavailable, but the statement or commit may have been carried out: check before repeating. */
  | "ambiguous"
  /** Rolled back because of other transactions (deadlock, serialization): repeat at once. */
  | "conflict"
  /** Rolled back because of a row's content: repeating fails again. */
  | "rejected-data"
  /** The code, the schema or the rights are wrong, or it is not a database error. */
  | "defect";

export function classifyDatabaseError(error: unknown): DatabaseErrorKind {
  if (error instanceof ConnectionError) return error.outcome === "unknown" ? "ambiguous" : "unavailable";
  const state = sqlState(error);
  if (state === undefined) return "defect";
  return hasNoPartition(error) || isRowSecurityError(error) ? "unavailable" : kindOfSqlState(state);
}

/** Whether row security would hide rows from a statement. */
export function isRowSecurityError(error: unknown): error is Error {
  return sqlState(error) === "42501" && error instanceof Error && routineOf(error) === "check_enable_rls";
}

/** The server's function that raised the error. Those used here have the same name in every version since 11. */
function routineOf(error: Error): unknown {
  return "routine" in error ? error.routine : undefined;
}

/** Whether a table has no partition for a row, which is no fault of the row: somebody has dropped the default partition. */
function hasNoPartition(error: unknown): boolean {
  // Checks and triggers report the same state.
  return sqlState(error) === "23514" && error instanceof Error && routineOf(error) === "ExecFindPartition";
}

/** Whether it comes from the database or from the connection to it. */
export function isDatabaseFailure(error: unknown): boolean {
  return error instanceof ConnectionError || sqlState(error) !== undefined;
}

/** The five characters of SQL:2016 part 2 section 24, if the error came from the server. */
export function sqlState(error: unknown): string | undefined {
  const code = codeOf(error);
  // No SQLSTATE of PostgreSQL begins with E, and every code of libuv does (EPIPE, EPERM, …).
  return code !== undefined && /^(?!E)[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** Whether the row was refused because another row has its value of such a key. */
export function violatesUniqueness(error: unknown, constraint: string | RegExp): boolean {
  return (
    sqlState(error) === "23505" &&
    error instanceof Error &&
    "constraint" in error &&
    typeof error.constraint === "string" &&
    (typeof constraint === "string" ? error.constraint === constraint : constraint.test(error.constraint))
  );
}

/** Whether the connection that returned this error is unusable. */
export function endsConnection(error: unknown): boolean {
  const state = sqlState(error);
  return state === undefined || state.startsWith("08") || connectionEndingStates.has(state);
}

/** Whether the server ended the statement because it needed too many resources; a smaller one may succeed. */
export function isTooMuchForOneStatement(error: unknown): boolean {
  const state = sqlState(error);
  return state !== undefined && tooMuchStates.has(state);
}

const tooMuchStates = new Set([
  "57014", // query_canceled: the statement timeout
  "53200", // out_of_memory
  "53400", // configuration_limit_exceeded, such as temporary files
]);

const connectionEndingStates = new Set([
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P04", // database_dropped
  "57P05", // idle_session_timeout
  "25P03", // idle_in_transaction_session_timeout
  "25P04", // transaction_timeout, of PostgreSQL 17 and newer
]);

const unavailableStates = new Set([
  "57014", // query_canceled: the statement timeout
  "57P03", // cannot_connect_now: starting up, shutting down, in recovery
  "57P05",
  "25P03",
  "25P04",
  "55000", // object_not_in_prerequisite_state: the database accepts no connections now
  "25006", // read_only_sql_transaction: a standby answers after a failover
  "3D000", // invalid_catalog_name: refuses the login
]);

const conflictStates = new Set([
  "40001", // serialization_failure
  "40P01", // deadlock_detected
  "55P03", // lock_not_available
]);

function kindOfSqlState(state: string): DatabaseErrorKind {
  if (conflictStates.has(state)) return "conflict";
  if (unavailableStates.has(state)) return "unavailable";
  if (connectionEndingStates.has(state)) return "ambiguous";
  switch (state.slice(0, 2)) {
    case "08": // connection exception
      return "ambiguous";
    case "28": // refuses the login
    case "53": // insufficient resources: disk, memory, connections
    case "58": // system error
      return "unavailable";
    case "21": // cardinality violation: one row proposed twice
    case "22": // data exception
    case "23": // integrity constraint violation
    case "44": // with check option violation
    case "54": // program limit exceeded: an index row too long, a document too deep
    case "P0": // raised by a trigger
      return "rejected-data";
    default:
      return "defect";
  }
}
