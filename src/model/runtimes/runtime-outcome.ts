/** The outcome of verifying a runtime, as a description and as stored. */
import { isJsonObject, type JsonValue } from "../json/json.ts";

export type RuntimeOutcome =
  | {
      readonly kind: "available";
      /** Absolute path; null if the script itself is executed or runs inside the agent. */
      readonly interpreter: string | null;
      readonly interpreterArgs: readonly string[];
      readonly version: string | null;
      /** A note although it works, for example that it is older than recommended. */
      readonly remark: string | null;
    }
  | {
      readonly kind: "too-old";
      readonly path: string;
      readonly version: string;
      readonly minVersion: string;
      readonly hint: string | null;
    }
  | { readonly kind: "missing"; readonly reason: string; readonly hint: string | null }
  /** The row is at fault, not the machine. */
  | { readonly kind: "malformed"; readonly problem: string };

/** One line for people, without the runtime's name. */
export function describeOutcome(outcome: RuntimeOutcome): string {
  switch (outcome.kind) {
    case "available":
      return [
        outcome.interpreter ?? "needs no interpreter",
        outcome.version === null ? "" : ` (${outcome.version})`,
        outcome.remark === null ? "" : `; ${outcome.remark}`,
      ].join("");
    case "too-old":
      return withHint(
        `${outcome.path} is ${outcome.version}, older than the required ${outcome.minVersion}`,
        outcome.hint,
      );
    case "missing":
      return withHint(outcome.reason, outcome.hint);
    case "malformed":
      return `its row is malformed: ${outcome.problem}`;
  }
}

function withHint(reason: string, hint: string | null): string {
  return hint === null ? reason : `${reason}; ${hint}`;
}

/**
 * Decodes an outcome that this or another version of the agent stored.
 *
 * @returns undefined if it is not one; the runtime is then verified again
 */
export function decodeOutcome(value: JsonValue): RuntimeOutcome | undefined {
  if (!isJsonObject(value)) return undefined;
  const { kind, interpreter, interpreterArgs, version, remark, path, minVersion, reason, hint, problem } =
    value;
  if (kind === "available" && isTextOrNull(interpreter) && isTexts(interpreterArgs)) {
    if (!isTextOrNull(version) || !isTextOrNull(remark)) return undefined;
    return { kind, interpreter, interpreterArgs, version, remark };
  }
  if (kind === "too-old" && isText(path) && isText(version) && isText(minVersion) && isTextOrNull(hint)) {
    return { kind, path, version, minVersion, hint };
  }
  if (kind === "missing" && isText(reason) && isTextOrNull(hint)) return { kind, reason, hint };
  if (kind === "malformed" && isText(problem)) return { kind, problem };
  return undefined;
}

function isText(value: JsonValue | undefined): value is string {
  return typeof value === "string";
}

function isTextOrNull(value: JsonValue | undefined): value is string | null {
  return value === null || isText(value);
}

function isTexts(value: JsonValue | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}
