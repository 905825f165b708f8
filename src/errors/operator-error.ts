/**
 * A failure that a person must act on, described in one line: what was attempted, on what, why it failed, and
 * what to do. If there are several reasons, each gets a line of its own below it. Every failure that is
 * shown to users is one of these; any other error is a bug and is shown with its stack.
 */
import type { ErrorCode } from "./catalogue.ts";

export interface OperatorErrorFields {
  readonly code: ErrorCode;
  /** What was attempted and on what, such as "connect to the database at db:5432". Without secrets. */
  readonly attempt: string;
  /** Why it failed; several reasons if they should be corrected together. */
  readonly reason: string | readonly string[];
  /** What the reader can do about it. */
  readonly remedy: string;
  readonly cause?: unknown;
}

export class OperatorError extends Error {
  override readonly name = "OperatorError";
  readonly code: ErrorCode;
  readonly attempt: string;
  /** At least one; each a single line. */
  readonly reasons: readonly string[];
  readonly remedy: string;

  constructor({ code, attempt, reason, remedy, cause }: OperatorErrorFields) {
    const reasons = [reason].flat().map(onOneLine);
    const told = reasons.length > 1 ? `${reasons.length} problems` : (reasons[0] ?? "");
    const list = reasons.length > 1 ? reasons.map((each) => `\n  ${each}`).join("") : "";
    super(`could not ${onOneLine(attempt)}: ${told}; ${onOneLine(remedy)}${list}`, { cause });
    this.code = code;
    this.attempt = attempt;
    this.reasons = reasons;
    this.remedy = remedy;
  }

  /** All reasons as one line. */
  get reason(): string {
    return this.reasons.join("; ");
  }
}

/** Error messages of servers and libraries may have several lines. */
function onOneLine(text: string): string {
  // Not /\s*\n\s*/, which takes quadratic time on a long run of blanks.
  return text.replaceAll(/\s+/g, (blanks) => (blanks.includes("\n") ? " " : blanks));
}
