import { resolve } from "node:path";
import { hasCode, messageOf } from "../errors/caught.ts";
import { OperatorError } from "../errors/operator-error.ts";
import type { Environment } from "./environment.ts";
import { keyText } from "./schema-problems.ts";
import { parseYaml, type YamlSource } from "./yaml-source.ts";

/** What the configuration depends on, apart from the file itself. */
export interface ConfigInput {
  readonly flags: { readonly config?: string | undefined; readonly name?: string | undefined };
  readonly env: Environment;
  readonly cwd: string;
  readonly hostname: string;
  /** The file's text; undefined if it does not exist. Throws for any other failure. */
  readonly readFile: (path: string) => string | undefined;
}

export interface ConfigFile {
  readonly path: string;
  readonly source: YamlSource;
}

/**
 * Reads the file named by --config, else by $ATTUNE_CONFIG, else ./config.yaml if it exists. A file that is
 * named explicitly must exist; otherwise the agent would start with unintended defaults.
 */
export function readConfigFile({ flags, env, cwd, readFile }: ConfigInput): ConfigFile | undefined {
  const named = flags.config ?? (env["ATTUNE_CONFIG"] || undefined);
  const path = resolve(cwd, named ?? "config.yaml");
  const text = attempt(path, () => readFile(path));
  if (text === undefined) {
    if (named === undefined) return undefined;
    throw unreadable(path, "the file does not exist", { repair: "create the file" });
  }
  const result = parseYaml(text);
  if (result.kind === "parsed") {
    if (isMappingOrEmpty(result.source.value)) return { path, source: result.source };
    throw unreadable(path, "line 1: must be a mapping of keys to values, like `log: { level: info }`");
  }
  throw unreadable(
    path,
    result.problems.map(({ line, path: place, reason }) =>
      [`line ${line}:`, keyText(place), place.length === 0 ? withoutSource(reason) : reason]
        .filter((part) => part !== "")
        .join(" "),
    ),
  );
}

/** Drops the source that the parser quotes at the end, because a broken line may contain a secret. */
function withoutSource(reason: string): string {
  return reason.replace(/(?<=\S): .*$|(?<=Invalid escape sequence) .*$/s, "");
}

/** Without this check, a list or a bare string would pass for a file without settings. */
function isMappingOrEmpty(value: unknown): boolean {
  return value === null || value === undefined || (typeof value === "object" && !Array.isArray(value));
}

function attempt<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (hasCode(error, "EISDIR"))
      throw unreadable(path, "it is a folder", { repair: "replace it with a file", cause: error });
    const repair = hasCode(error, "EACCES", "EPERM") ? "let the agent's user read the file" : undefined;
    throw unreadable(path, messageOf(error), { repair, cause: error });
  }
}

function unreadable(
  path: string,
  reason: string | readonly string[],
  {
    repair = "correct the file",
    cause,
  }: { readonly repair?: string | undefined; readonly cause?: unknown } = {},
): OperatorError {
  return new OperatorError({
    code: "CONFIG_UNREADABLE",
    attempt: `read the configuration ${path}`,
    reason,
    remedy: `${repair}, or name another with --config or ATTUNE_CONFIG`,
    cause,
  });
}
