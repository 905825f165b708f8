/**
 * What V8 keeps of a script after compiling it, so that it need not do so at every start.
 *
 * It is of use to the same version of V8 with the same flags only, so the Node that goes into the
 * executable makes it. Node itself does this for the main script, by `useCodeCache`.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { LaterScript } from "./runtime/later-script.ts";

/**
 * For the processes that make a code cache, and no others: what the cache looks like depends on the hashes of
 * strings, and those on chance, and in a bit here and there on what other threads had done by then. Of these
 * flags V8 takes no notice when it judges whether a cache is of its own settings; the executable goes on with
 * chance and threads of its own.
 */
export const reproducibleFlags = ["--random-seed=1", "--predictable"];

const maker = join(import.meta.dirname, "runtime/make-code-cache.ts");

export interface CodeCacheOptions {
  readonly node: string;
  readonly flags: readonly string[];
  readonly script: LaterScript;
  /** Where the script is, and where its cache is to be. */
  readonly source: string;
  readonly output: string;
}

export function makeCodeCache({ node, flags, script, source, output }: CodeCacheOptions): void {
  execFileSync(node, [...flags, ...reproducibleFlags, maker, script, source, output], { stdio: "pipe" });
}
