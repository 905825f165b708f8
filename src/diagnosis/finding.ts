/**
 * A finding of doctor is good, a notice, or wrong. Only a wrong finding makes the exit code 1. A check that
 * fails becomes a finding and never stops another check.
 */
import { explainDatabaseFailure } from "../database/explain-failure.ts";
import { messageOf } from "../errors/caught.ts";
import { OperatorError } from "../errors/operator-error.ts";

export interface Finding {
  readonly state: "good" | "notice" | "wrong";
  /** What was checked: "database", "runtime core.sensor.python". */
  readonly subject: string;
  /** Its state. */
  readonly detail: string;
  /** What to do about it. */
  readonly remedy: string | null;
  /** Related output, such as the last stderr lines of a sensor. */
  readonly lines: readonly string[];
  /** Machine-readable details. */
  readonly facts: object;
}

/** Optional parts of a finding. */
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

/** The finding for a check that failed. */
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

/** Runs the checks concurrently, because each may wait for a peer. The findings keep the order of the checks. */
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
