/**
 * What the doctor found. A finding is good, worth a notice, or wrong; only what is wrong makes the exit
 * code 1. A check gives findings and never stops another check, whatever it meets.
 */
import { OperatorError } from "../../errors/operator-error.ts";

export interface Finding {
  readonly state: "good" | "notice" | "wrong";
  /** What was looked at: "database", "runtime core.sensor.python". */
  readonly subject: string;
  /** How it stands. */
  readonly detail: string;
  /** What to do about it. */
  readonly remedy: string | null;
}

export type Check = () => Promise<readonly Finding[]>;

export function good(subject: string, detail: string): Finding {
  return { state: "good", subject, detail, remedy: null };
}

export function notice(subject: string, detail: string, remedy: string | null = null): Finding {
  return { state: "notice", subject, detail, remedy };
}

export function wrong(subject: string, detail: string, remedy: string | null = null): Finding {
  return { state: "wrong", subject, detail, remedy };
}

/** A failure that a check, or what it needs, met. */
export function failed(subject: string, error: unknown): Finding {
  if (error instanceof OperatorError) return wrong(subject, error.reason, error.remedy);
  return wrong(subject, `could not be checked: ${error instanceof Error ? error.message : String(error)}`);
}

/** Runs the checks one after the other, so that the findings stand in their order. */
export async function findingsOf(checks: Readonly<Record<string, Check>>): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [subject, check] of Object.entries(checks)) {
    try {
      findings.push(...(await check()));
    } catch (error) {
      findings.push(failed(subject, error));
    }
  }
  return findings;
}

const marks = { good: "✓", notice: "-", wrong: "✗" } as const;

export function findingsText(findings: readonly Finding[]): string {
  const wrongCount = findings.filter(({ state }) => state === "wrong").length;
  const lines = findings.map(({ state, subject, detail, remedy }) =>
    [`${marks[state]} ${subject}: ${detail}`, remedy].filter((part) => part !== null).join("; "),
  );
  const verdict =
    wrongCount === 0 ? "Nothing is wrong." : `${wrongCount} of ${findings.length} findings are wrong.`;
  return [...lines, verdict, ""].join("\n");
}

export function findingsJson(findings: readonly Finding[]): string {
  const isHealthy = findings.every(({ state }) => state !== "wrong");
  return `${JSON.stringify({ healthy: isHealthy, findings }, undefined, 2)}\n`;
}
