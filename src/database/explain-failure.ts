/**
 * Explains database failures to an operator: the reason and what to do. Code that reacts to failures uses errors.ts with
 * the original error instead.
 */
import type { ErrorCode } from "../errors/catalogue.ts";
import { messageOf } from "../errors/caught.ts";
import {
  closedEarly,
  explainConnectionFailure,
  timedOut,
  type Explanation,
  type ServerSettings,
} from "../errors/connection-failure.ts";
import { OperatorError } from "../errors/operator-error.ts";
import { ConnectionError, sqlState } from "./errors.ts";
import { refusalOf } from "./refusals.ts";

const settings: ServerSettings = {
  server: "PostgreSQL",
  url: "database.url",
  tls: "database.tls",
  unreachable: "DATABASE_UNREACHABLE",
  hadWorked: false,
};

/** @returns undefined if it is not a database failure, but a bug */
export function explainDatabaseFailure(error: unknown): Explanation | undefined {
  return explain(error, settings);
}

function explain(error: unknown, connection: ServerSettings): Explanation | undefined {
  if (error instanceof OperatorError || !(error instanceof Error)) return undefined;
  if (error instanceof ConnectionError) {
    const { cause, message, hadWorked } = error;
    if (cause instanceof OperatorError)
      return { code: cause.code, reason: cause.reason, remedy: cause.remedy };
    return explain(cause, { ...connection, hadWorked }) ?? unreachable(message);
  }
  const state = sqlState(error);
  if (state !== undefined) {
    const { message } = error;
    return { ...refusalOf(state, message), reason: `${message} (SQLSTATE ${state})` };
  }
  return explainConnectionFailure(error, connection) ?? explainDriver(error.message, connection);
}

/** The explanation, or else the error's own message. */
export function databaseFailureReason(error: unknown): string {
  return explainDatabaseFailure(error)?.reason ?? messageOf(error);
}

/**
 * Does the work and translates a database failure into an OperatorError.
 *
 * @param attempt what the work does and where, such as "load packs into the database at db:5432/attune"
 * @param remedies by code, where they differ from the usual ones
 * @throws OperatorError for a database failure; other errors unchanged
 */
export async function explainingDatabaseFailures<T>(
  attempt: string,
  work: () => Promise<T>,
  remedies: Partial<Record<ErrorCode, string>> = {},
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const explanation = explainDatabaseFailure(cause);
    if (explanation === undefined) throw cause;
    const remedy = remedies[explanation.code] ?? explanation.remedy;
    throw new OperatorError({ attempt, ...explanation, remedy, cause });
  }
}

/** The driver's own failures have no code. */
function explainDriver(message: string, connection: ServerSettings): Explanation | undefined {
  if (/client password must be a/.test(message)) {
    return {
      code: "DATABASE_LOGIN_REFUSED",
      reason: "it asks for a password, and database.url has none",
      remedy: "write it as postgresql://user:PASSWORD@host:5432/database, percent-encoded",
    };
  }
  if (message.startsWith("SASL:")) {
    return {
      code: "DATABASE_LOGIN_REFUSED",
      reason: `the login failed: ${message}`,
      remedy: "check that host and port in database.url are PostgreSQL's own, and user and password",
    };
  }
  if (message === "The server does not support SSL connections") {
    return {
      code: "TLS_FAILED",
      reason: "it does not speak TLS",
      remedy:
        "turn ssl on in the server's configuration, or do without TLS: database.url (sslmode), database.tls",
    };
  }
  if (message === "There was an error establishing an SSL connection") return closedEarly(connection);
  if (/^timeout e|^Query read timeout|due to connection timeout/.test(message)) return timedOut(connection);
  if (/^Connection terminated|closed the connection/.test(message)) return closedEarly(connection);
  return undefined;
}

function unreachable(reason: string): Explanation {
  return {
    code: "DATABASE_UNREACHABLE",
    reason,
    remedy: "check that PostgreSQL runs, and database.url",
  };
}
