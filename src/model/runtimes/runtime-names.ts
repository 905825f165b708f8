/**
 * One canonical name per runtime. People, images and older rows use several names for the same interpreter;
 * capabilities, placement and overrides use the canonical one.
 */

/** Runs inside the agent; always offered. */
export const builtinRuntime = "builtin";
/** The ref of its row. */
export const builtinRuntimeRef = "core.sensor.builtin";

/** An executable script; never probed, offered only if an override names it. */
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

/** The canonical name for any spelling; an unknown name is only lower-cased and trimmed. */
export function canonicalRuntimeName(name: string): string {
  const plain = name.trim().toLowerCase();
  return canonicalNames.get(plain) ?? plain;
}

/**
 * The canonical names in a list like `ATTUNE_SENSOR_RUNTIMES=python3, shell,shell`, without duplicates and
 * in the order given. Empty entries are ignored.
 */
export function canonicalRuntimeNames(names: readonly string[]): readonly string[] {
  return [...new Set(names.map(canonicalRuntimeName).filter((name) => name !== ""))];
}
