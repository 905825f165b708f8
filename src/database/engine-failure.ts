import { isJsonObject } from "../model/json.ts";

/**
 * Why the embedded engine failed, for people. Its file system throws plain objects that hold nothing but
 * a number of WASI's.
 */
export function engineFailureText(cause: unknown): string {
  if (cause instanceof Error) return cause.message;
  const errno = isJsonObject(cause) ? cause["errno"] : undefined;
  if (typeof errno !== "number") return String(cause);
  return wasiReasons.get(errno) ?? `its file system answers with the error ${errno} of WASI`;
}

/** https://github.com/WebAssembly/WASI, preview 1, `errno`: those that a person can do something about. */
const wasiReasons: ReadonlyMap<number, string> = new Map([
  [2, "EACCES: permission denied"],
  [19, "EDQUOT: disk quota exceeded"],
  [29, "EIO: i/o error"],
  [51, "ENOSPC: no space left on device"],
  [63, "EPERM: operation not permitted"],
  [69, "EROFS: read-only file system"],
]);
