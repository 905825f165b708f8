/**
 * Tells whether a kept verification still speaks of the same row and the same files. It does not run
 * anything: looking at a dozen files takes well under a millisecond.
 */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import type { RuntimeDefinition } from "../model/definitions.ts";
import { findExecutable, type ExecutableLookup } from "./executable-lookup.ts";

/** @param binaries those whose presence or change may change the outcome */
export function runtimeFingerprint(
  definition: RuntimeDefinition,
  binaries: readonly string[],
  lookup: ExecutableLookup,
): string {
  const { ref, name, distributions, installation, executionConfig } = definition;
  const files = binaries.map((binary) => [binary, fileIdentity(findExecutable(binary, lookup))]);
  return createHash("sha256")
    .update(JSON.stringify([ref, name, distributions, installation, executionConfig, files]))
    .digest("hex");
}

function fileIdentity(path: string | undefined): readonly string[] {
  if (path === undefined) return [];
  const file = statSync(path, { bigint: true, throwIfNoEntry: false });
  // It may vanish between the search and here: then it is as good as never found.
  return file === undefined ? [] : [path, `${file.size}`, `${file.mtimeNs}`, `${file.ino}`];
}
