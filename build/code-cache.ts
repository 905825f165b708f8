/**
 * What V8 keeps of the commands script after compiling it, so that it need not do so at every start.
 *
 * It is of use to the same version of V8 with the same flags only, so the Node that goes into the
 * executable makes it. Node itself does this for the main script, by `useCodeCache`.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";

const maker = join(import.meta.dirname, "runtime/make-code-cache.ts");

export function makeCodeCache(node: string, flags: readonly string[], script: string, output: string): void {
  execFileSync(node, [...flags, maker, script, output], { stdio: "pipe" });
}
