import { OperatorError } from "../errors/operator-error.ts";

/**
 * What stderr says of a failure: one line for one that a person can act on, a stack for a bug. A
 * failure with a list of problems has one line for each.
 */
export function failureText(error: unknown): string {
  if (error instanceof OperatorError) return error.message;
  if (error instanceof Error) return `unexpected failure, please report it: ${error.stack ?? error.message}`;
  return `unexpected failure, please report it: ${String(error)}`;
}
