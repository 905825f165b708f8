import { redactUrls } from "../model/texts/redaction.ts";

/**
 * What stderr says of a failure: one line for one that a person can act on, which ends with its code, and one
 * for each of its reasons where it has several; a stack for a bug. Never a password in a URL, whoever quoted it.
 */
export function failureText(error: unknown): string {
  // By name: the executable's scripts have a class of that name each.
  if (error instanceof Error && error.name === "OperatorError" && "code" in error) {
    const [first, ...reasons] = redactUrls(error.message).split("\n");
    return [`${first} [${String(error.code)}]`, ...reasons].join("\n");
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return redactUrls(`unexpected failure, please report it: ${detail}`);
}
