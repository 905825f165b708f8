/**
 * One name per runtime. People, images and older rows call the same interpreter by several names;
 * everything inside (capabilities, placement, overrides) uses the canonical one.
 */

/** Runs inside the agent; always offered. */
export const builtinRuntime = "builtin";

/** A script that is itself executable; never probed, offered only when named. */
export const nativeRuntime = "native";

const canonicalNames: ReadonlyMap<string, string> = new Map([
  ["nodejs", "node"],
  ["node.js", "node"],
  ["python3", "python"],
  ["bash", "shell"],
  ["sh", "shell"],
  ["built-in", builtinRuntime],
  ["built-in sensor", builtinRuntime],
  ["standalone", nativeRuntime],
  ["golang", "go"],
  ["rscript", "r"],
  ["rb", "ruby"],
]);

/** The canonical name for any spelling; a name nobody listed is itself, lower-cased and trimmed. */
export function canonicalRuntimeName(name: string): string {
  const plain = name.trim().toLowerCase();
  return canonicalNames.get(plain) ?? plain;
}

/**
 * The names in a list like `ATTUNE_SENSOR_RUNTIMES=python3, shell,shell`: canonical, each once, in the
 * order given. Empty entries are nothing.
 */
export function canonicalRuntimeNames(names: readonly string[]): readonly string[] {
  return [...new Set(names.map(canonicalRuntimeName).filter((name) => name !== ""))];
}
