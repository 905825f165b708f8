/**
 * What the doctor found. A finding is good, worth a notice, or wrong; only what is wrong makes the exit
 * code 1. A check gives findings and never stops another check, whatever it meets.
 */
import { explainDatabaseFailure } from "../database/explain-failure.ts";
import { messageOf } from "../errors/caught.ts";
import { OperatorError } from "../errors/operator-error.ts";

export interface Finding {
  readonly state: "good" | "notice" | "wrong";
  /** What was looked at: "database", "runtime core.sensor.python". */
  readonly subject: string;
  /** How it stands. */
  readonly detail: string;
  /** What to do about it. */
  readonly remedy: string | null;
  /** What belongs to it line by line, as a sensor's last words. */
  readonly lines: readonly string[];
  /** All that is known of it, for programs. */
  readonly facts: object;
}

/** What not every finding has. */
type More = Partial<Pick<Finding, "remedy" | "lines" | "facts">>;

export type Check = () => Promise<readonly Finding[]>;

export function good(subject: string, detail: string, more: More = {}): Finding {
  return { ...nothingMore, ...more, state: "good", subject, detail };
}

export function notice(subject: string, detail: string, more: More = {}): Finding {
  return { ...nothingMore, ...more, state: "notice", subject, detail };
}

export function wrong(subject: string, detail: string, more: More = {}): Finding {
  return { ...nothingMore, ...more, state: "wrong", subject, detail };
}

const nothingMore: Required<More> = { remedy: null, lines: [], facts: {} };

/** A failure that a check, or what it needs, met. */
export function failed(subject: string, error: unknown): Finding {
  if (error instanceof OperatorError) {
    const { code, attempt, reasons, remedy } = error;
    const [reason = ""] = reasons;
    if (reasons.length === 1)
      return wrong(subject, `could not ${attempt}: ${reason}`, { remedy, facts: { code } });
    const count = `could not ${attempt}: ${reasons.length} problems`;
    return wrong(subject, count, { remedy, lines: reasons, facts: { code } });
  }
  const explanation = explainDatabaseFailure(error);
  if (explanation !== undefined) {
    const { code, reason, remedy } = explanation;
    return wrong(subject, `could not be checked: ${reason}`, { remedy, facts: { code } });
  }
  return wrong(subject, `could not be checked: ${messageOf(error)}`);
}

/** Runs the checks at once, since each may have to wait for somebody; the findings are in the order of the checks. */
export async function findingsOf(checks: Readonly<Record<string, Check>>): Promise<readonly Finding[]> {
  const findings = Object.entries(checks).map(async ([subject, check]) => {
    try {
      return await check();
    } catch (error) {
      return [failed(subject, error)];
    }
  });
  return (await Promise.all(findings)).flat();
}
