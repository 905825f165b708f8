/**
 * Run by build/code-cache.ts in a process of its own: node make-code-cache.ts SCRIPT OUTPUT
 *
 * Every command's modules are evaluated first. V8 compiles a function when it is first called, and the
 * cache has what was compiled when it is made.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { compileCommands, evaluateCommands } from "./commands-script.ts";

const [path, output] = process.argv.slice(2);
if (path === undefined || output === undefined) throw new Error("usage: make-code-cache.ts SCRIPT OUTPUT");
const script = compileCommands(readFileSync(path, "latin1"), undefined);
for (const evaluate of Object.values(evaluateCommands(script))) evaluate();
writeFileSync(output, script.createCachedData());
