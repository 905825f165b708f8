/**
 * Determines whether a stored verification still applies to the same row and files. Checking a dozen files
 * takes well under a millisecond; nothing is run.
 */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import type { RuntimeDefinition } from "../model/definitions.ts";
import { findExecutable, type ExecutableLookup } from "./executable-lookup.ts";

/** @param binaries those that may affect the outcome */
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
  // The file may have been removed since it was found.
  return file === undefined ? [] : [path, `${file.size}`, `${file.mtimeNs}`, `${file.ino}`];
}
