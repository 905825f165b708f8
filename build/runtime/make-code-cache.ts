/** Run by build/code-cache.ts in a process of its own: node make-code-cache.ts SCRIPT OUTPUT */
import { readFileSync, writeFileSync } from "node:fs";
import { Script } from "node:vm";
import { commandsScriptKeys, wrapScript } from "./commands-script.ts";

const [script, output] = process.argv.slice(2);
if (script === undefined || output === undefined) throw new Error("usage: make-code-cache.ts SCRIPT OUTPUT");
const source = wrapScript(readFileSync(script, "latin1"));
const compiled = new Script(source, { filename: commandsScriptKeys.script });
writeFileSync(output, compiled.createCachedData());
