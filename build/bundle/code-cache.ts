/**
 * V8's code cache for a script, which saves compiling it at every start.
 *
 * It is valid only for the same version of V8 with the same flags, so it is made by the Node that goes into the
 * executable. For the main script Node does this itself, with `useCodeCache`.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { LaterScript } from "./runtime/later-script.ts";

/**
 * Only for processes that make a code cache: without these flags, the cache would depend on randomly seeded
 * string hashes and on the timing of threads; make-code-cache.ts switches off what else depends on timing. V8
 * ignores them when it checks whether a cache matches its flags, so the executable keeps its random seed and its
 * threads.
 */
export const reproducibleFlags = ["--random-seed=1", "--predictable"];

const maker = join(import.meta.dirname, "runtime/make-code-cache.ts");

export interface CodeCacheOptions {
  readonly node: string;
  readonly flags: readonly string[];
  readonly script: LaterScript;
  /** Paths of the script and of the cache to write. */
  readonly source: string;
  readonly output: string;
}

export function makeCodeCache({ node, flags, script, source, output }: CodeCacheOptions): void {
  execFileSync(node, [...flags, ...reproducibleFlags, maker, script, source, output], { stdio: "pipe" });
}
