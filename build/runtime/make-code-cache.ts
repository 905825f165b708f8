/**
 * Run by build/code-cache.ts in a process of its own: node make-code-cache.ts NAME SCRIPT OUTPUT
 *
 * All modules are evaluated first, and the command line does what it does for `--detect-only`. V8 compiles
 * a function when it is first called, and the cache has what was compiled when it is made.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import type * as CommandLine from "../../src/agent/cli.ts";
import { commandLine } from "../entries.ts";
import { compileScript, evaluateScript, type LaterScript } from "./later-script.ts";

const [name, path, output] = process.argv.slice(2);
assert(
  (name === "command-line" || name === "commands") && path !== undefined && output !== undefined,
  "usage: make-code-cache.ts command-line|commands SCRIPT OUTPUT",
);
await makeCodeCache(name, path, output);

async function makeCodeCache(script: LaterScript, source: string, cache: string): Promise<void> {
  const compiled = compileScript(script, readFileSync(source, "latin1"), undefined);
  const modules = evaluateScript(compiled);
  for (const evaluate of Object.values(modules)) evaluate();
  if (script === "command-line") await detect(modules[commandLine]?.());
  writeFileSync(cache, compiled.createCachedData());
}

async function detect(module: object | undefined): Promise<void> {
  assert(isCommandLine(module), `${commandLine} is not what it was`);
  const args = ["--detect-only"];
  await module.runCommandLine({
    args,
    environment: { ...process.env },
    print: () => {},
    complain: () => {},
  });
}

function isCommandLine(module: object | undefined): module is typeof CommandLine {
  return module !== undefined && "runCommandLine" in module;
}
