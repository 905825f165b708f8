import { redactUrls } from "../model/redaction.ts";

/**
 * What stderr says of a failure: one line for one that a person can act on, and one for each of its reasons
 * where it has several; a stack for a bug. Never a password in a URL, whoever quoted it.
 */
export function failureText(error: unknown): string {
  // By name: the executable's scripts have a class of that name each.
  if (error instanceof Error && error.name === "OperatorError") return redactUrls(error.message);
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return redactUrls(`unexpected failure, please report it: ${detail}`);
}
