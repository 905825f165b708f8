import { join } from "node:path";
import { OperatorError } from "../errors/operator-error.ts";

/** Something wrong in a pack, and where. */
export interface PackProblem {
  /** The folder as it was given. */
  readonly directory: string;
  /** Relative to the folder; null for the folder itself, which then has no line. */
  readonly file: string | null;
  readonly line: number;
  /** The field, for example `poll_interval` or `distributions.verification`; none for the file as a whole. */
  readonly field: string | null;
  readonly reason: string;
}

/** Something in a pack that does not keep it from being loaded. */
export interface PackWarning extends PackProblem {
  readonly kind: WarningKind;
}

/**
 * In the order of their importance: a sensor that will not work, conditions that can be used and are
 * probably not meant so, and keys that nobody here reads.
 */
export const warningKinds = ["sensor-fails", "rule-doubtful", "keys-ignored"] as const;

export type WarningKind = (typeof warningKinds)[number];

/** "packs/logwatch/sensors/lines.yaml:4 entrypoint must be text, not 5" */
export function describeProblem({ directory, file, line, field, reason }: PackProblem): string {
  const place = file === null ? directory : `${join(directory, file)}:${line}`;
  return [place, field, reason].filter((part) => part !== null).join(" ");
}

export function packInvalid(problems: readonly PackProblem[]): OperatorError {
  const directories = [...new Set(problems.map(({ directory }) => directory))];
  return new OperatorError({
    code: "PACK_INVALID",
    attempt: `load ${directories.join(", ")}`,
    reason: problems.map(describeProblem),
    remedy: "correct it, see docs/packs.md; nothing was loaded",
  });
}
