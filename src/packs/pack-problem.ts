import { join } from "node:path";
import { OperatorError } from "../errors/operator-error.ts";

/** A problem in a pack, and its place. */
export interface PackProblem {
  /** The folder as given. */
  readonly directory: string;
  /** Relative to the folder; null for a problem with the folder itself, which has no line. */
  readonly file: string | null;
  readonly line: number;
  /** The field, such as `poll_interval` or `distributions.verification`; null for the whole file. */
  readonly field: string | null;
  readonly reason: string;
  /** What to do about it, with which the reason ends; absent if the reason says it in another way. */
  readonly suggestion?: string;
}

/** A problem that does not prevent a pack from being loaded. */
export interface PackWarning extends PackProblem {
  readonly kind: WarningKind;
}

/**
 * In order of importance: a pack that workers do not find, a sensor that will not work, one whose output may not become
 * events, valid conditions that are probably not meant so, and keys that are not read.
 */
export const warningKinds = [
  "pack-elsewhere",
  "sensor-fails",
  "sensor-doubtful",
  "rule-doubtful",
  "keys-ignored",
] as const;

export type WarningKind = (typeof warningKinds)[number];

/** "packs/logwatch/sensors/lines.yaml:4 entrypoint must be text, not 5" */
export function describeProblem({ directory, file, line, field, reason }: PackProblem): string {
  const place = file === null ? shown(directory) : `${join(directory, file)}:${line}`;
  return [place, field, reason].filter((part) => part !== null).join(" ");
}

/** @param purpose what the packs are read for */
export function packInvalid(
  problems: readonly PackProblem[],
  purpose: "load" | "test" | "read" = "load",
): OperatorError {
  const directories = [...new Set(problems.map(({ directory }) => shown(directory)))];
  const [only, ...others] = problems;
  const { reason, remedy } =
    only !== undefined && others.length === 0
      ? soleProblem(only)
      : { reason: problems.map(describeProblem), remedy: "correct them, see docs/packs.md" };
  return new OperatorError({
    code: "PACK_INVALID",
    attempt: `${purpose} ${directories.join(", ")}`,
    reason,
    remedy: `${purpose === "load" ? "nothing was loaded; " : ""}${remedy}`,
  });
}

/** The folder has been named already, and what to do about it is the remedy. */
function soleProblem(problem: PackProblem): { readonly reason: string; readonly remedy: string } {
  const { file, reason, suggestion } = problem;
  const whole = file === null ? `it ${reason}` : describeProblem(problem);
  return suggestion === undefined
    ? { reason: whole, remedy: "correct it, see docs/packs.md" }
    : { reason: whole.slice(0, -`; ${suggestion}`.length), remedy: suggestion };
}

/** A variable of a shell may be empty by mistake. */
function shown(directory: string): string {
  return directory === "" ? '""' : directory;
}
