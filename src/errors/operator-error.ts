/**
 * A failure that a person has to act on, told in one line: what was attempted, on what, why it failed,
 * and what to do. Everything that reaches the screen as a failure is one of these; any other error
 * that gets there is a bug and shows its stack.
 */
import type { ErrorCode } from "./catalogue.ts";

export interface OperatorErrorParts {
  readonly code: ErrorCode;
  /** What was attempted and on what: "connect to the database at db:5432". Without secrets. */
  readonly attempt: string;
  /** Why it failed, in the words of whoever refused. */
  readonly reason: string;
  /** What the reader can do about it. */
  readonly remedy: string;
  readonly cause?: unknown;
}

export class OperatorError extends Error {
  override readonly name = "OperatorError";
  readonly code: ErrorCode;
  readonly attempt: string;
  readonly reason: string;
  readonly remedy: string;

  constructor({ code, attempt, reason, remedy, cause }: OperatorErrorParts) {
    super(`could not ${attempt}: ${reason}; ${remedy}`, { cause });
    this.code = code;
    this.attempt = attempt;
    this.reason = reason;
    this.remedy = remedy;
  }
}
