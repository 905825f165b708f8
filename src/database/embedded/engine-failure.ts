/** Explains failures of the embedded engine. */
import type { Explanation } from "../../errors/connection-failure.ts";
import { isJsonObject } from "../../model/json/json.ts";

/** The server does not start; the message is its own. */
export class DamagedDatabase extends Error {
  override readonly name = "DamagedDatabase";

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

/** @param folder the folder of the database's files */
export function explainEngineFailure(cause: unknown, folder: string): Explanation {
  const reason = engineFailureText(cause);
  const isInitialization = /failed to initialize/.test(reason);
  if ((cause instanceof DamagedDatabase || isInitialization) && !troublesOfTheDisk.test(reason)) {
    return {
      code: "DATABASE_DAMAGED",
      reason: isInitialization ? `the server does not start on the files in ${folder}` : reason,
      remedy: `put a copy in the place of ${folder}, or move it away to begin with an empty database; or set database.url`,
    };
  }
  return {
    code: "DATABASE_UNREACHABLE",
    reason,
    remedy: "make data_dir a folder that this user can write and that has room, or set database.url",
  };
}

const troublesOfTheDisk = /no space left|quota|read-only file system|permission denied|too many open files/i;

/** The engine's file system throws plain objects with only a WASI error number. */
export function engineFailureText(cause: unknown): string {
  if (cause instanceof Error) return cause.message;
  const errno = isJsonObject(cause) ? cause["errno"] : undefined;
  if (typeof errno !== "number") return String(cause);
  return wasiReasons.get(errno) ?? `its file system answers with the error ${errno} of WASI`;
}

/** The WASI errors that an operator can act on; see https://github.com/WebAssembly/WASI, preview 1, `errno`. */
const wasiReasons: ReadonlyMap<number, string> = new Map([
  [2, "EACCES: permission denied"],
  [19, "EDQUOT: disk quota exceeded"],
  [29, "EIO: i/o error"],
  [51, "ENOSPC: no space left on device"],
  [63, "EPERM: operation not permitted"],
  [69, "EROFS: read-only file system"],
]);
