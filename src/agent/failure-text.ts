import { redactUrls } from "../model/texts/redaction.ts";

/**
 * The text of a failure on stderr. An OperatorError is one line that ends with its code; several reasons follow
 * on a line each. A bug shows its stack. Passwords in URLs are redacted.
 */
export function failureText(error: unknown): string {
  // Compared by name: each script bundled in the executable has its own copy of the class.
  if (error instanceof Error && error.name === "OperatorError" && "code" in error) {
    const [first, ...reasons] = redactUrls(error.message).split("\n");
    return [`${first} [${String(error.code)}]`, ...reasons].join("\n");
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return redactUrls(`unexpected failure, please report it: ${detail}`);
}
