/**
 * Secrets in files, as orchestrators mount them: `database.url_file`, or the variable
 * `ATTUNE__DATABASE__URL_FILE`, names a file that contains the value of `database.url`. Every secret has such a key.
 *
 * If both a key and its file key are set, the one from the source with higher precedence wins; setting both in
 * one source is a problem.
 */
import { resolve } from "node:path";
import { messageOf } from "../errors/caught.ts";
import { withoutEditorMarks } from "../files/reread-text.ts";
import type { ConfigFile } from "./config-file.ts";
import { environmentPrefix, type Setting } from "./environment.ts";
import { childOf, withoutValueAt, withValueAt } from "./nested-values.ts";
import type { Problem } from "./schema-problems.ts";

const secretKeys = [
  ["database", "url"],
  ["message_queue", "url"],
  ["security", "jwt_secret"],
  ["security", "jwt_secret_previous"],
  ["security", "worker_token"],
  ["security", "encryption_key"],
  ["security", "encryption_key_previous"],
  ["agent", "binary_token"],
] as const;

interface FileWorld {
  readonly cwd: string;
  /** Undefined if the file does not exist. */
  readonly readFile: (path: string) => string | undefined;
}

/** Applies settings in order; setting one form of a secret removes the other. */
export function withSettings(value: unknown, settings: readonly Setting[]): unknown {
  return settings.reduce((current, { path, value: set }) => {
    const other = otherForm(path.map(String));
    return withValueAt(other === undefined ? current : withoutValueAt(current, other), path, set);
  }, value);
}

/** The contents of the named files, and what is wrong with them. */
export function secretFiles(
  value: unknown,
  file: ConfigFile | undefined,
  settings: readonly Setting[],
  { cwd, readFile }: FileWorld,
): { readonly settings: readonly Setting[]; readonly problems: readonly Problem[] } {
  const found: Setting[] = [];
  const problems: Problem[] = [];
  for (const key of secretKeys) {
    const path = [key[0], `${key[1]}_file`];
    const named = path.reduce<unknown>(childOf, value);
    if (isSetTwice(key, path, file, settings))
      problems.push({ path, reason: `and ${key.join(".")} are both set: remove one of them` });
    if (typeof named !== "string" || named === "") continue;
    const place = resolve(cwd, named);
    try {
      const text = withoutEditorMarks(readFile(place) ?? "");
      if (text === "") problems.push({ path, reason: `names ${place}, which is missing or empty` });
      else found.push({ path: key, value: text, origin: `file ${place}` });
    } catch (error) {
      problems.push({
        path,
        reason: `names a file that cannot be read: ${messageOf(error)}`,
      });
    }
  }
  return { settings: found, problems };
}

/** Finds TLS files that are missing or not in PEM format, at start rather than at each connection. */
export function pemProblems(value: unknown, { cwd, readFile }: FileWorld): readonly Problem[] {
  const paths = ["database", "message_queue", "api"].flatMap((section) =>
    ["ca", "cert", "key"].map((key) => [section, "tls", key]),
  );
  return paths.flatMap((path) => {
    const named = path.reduce<unknown>(childOf, value);
    if (typeof named !== "string" || named === "") return [];
    const place = resolve(cwd, named);
    try {
      const text = readFile(place);
      if (text === undefined) return [{ path, reason: `names ${place}, which does not exist` }];
      return text.includes("-----BEGIN ")
        ? []
        : [{ path, reason: `names ${place}, which is not in PEM format` }];
    } catch (error) {
      const reason = messageOf(error);
      return [{ path, reason: `names a file that cannot be read: ${reason}` }];
    }
  });
}

/** `database.url_file` for `database.url`, and the other way round. */
function otherForm(path: readonly string[]): readonly string[] | undefined {
  for (const [section, key] of secretKeys) {
    if (path[0] !== section || path.length !== 2) continue;
    if (path[1] === key) return [section, `${key}_file`];
    if (path[1] === `${key}_file`) return [section, key];
  }
  return undefined;
}

function isSetTwice(
  key: readonly string[],
  fileKey: readonly string[],
  file: ConfigFile | undefined,
  settings: readonly Setting[],
): boolean {
  const isInFile = (path: readonly string[]): boolean => file?.source.has(path) === true;
  const isVariable = (path: readonly string[], isOwn: boolean): boolean =>
    settings.some(
      ({ variable, path: set }) =>
        variable !== undefined &&
        variable.startsWith(environmentPrefix) === isOwn &&
        set.join(".") === path.join("."),
    );
  const areVariables = (isOwn: boolean): boolean => isVariable(key, isOwn) && isVariable(fileKey, isOwn);
  return (isInFile(key) && isInFile(fileKey)) || areVariables(true) || areVariables(false);
}
