/**
 * Run by build/code-cache.ts in a process of its own: node make-code-cache.ts NAME SCRIPT OUTPUT
 *
 * All modules are evaluated first, and detection does its work. V8 compiles a function when it is first
 * called, and the cache has what was compiled when it is made. Detection finds one program, and not those
 * of the machine: which of several ends first is chance, and the cache would depend on it.
 */
import assert from "node:assert/strict";
import { mkdtempDisposableSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as Detection from "../../src/agent/commands/detect-only.ts";
import { detection } from "../entries.ts";
import { compileScript, evaluateScript, laterScripts } from "./later-script.ts";

const [name, path, output] = process.argv.slice(2);
const script = laterScripts.find((each) => each === name);
assert(
  script !== undefined && path !== undefined && output !== undefined,
  `usage: make-code-cache.ts ${laterScripts.join("|")} SCRIPT OUTPUT`,
);

const compiled = compileScript(script, readFileSync(path, "latin1"), undefined);
const modules = evaluateScript(compiled);
for (const evaluate of Object.values(modules)) evaluate();
if (script === "detection") await detect(modules[detection]?.());
writeFileSync(output, compiled.createCachedData());

async function detect(module: object | undefined): Promise<void> {
  assert(isDetection(module), `${detection} is not what it was`);
  using programs = mkdtempDisposableSync(join(tmpdir(), "attune-code-cache-"));
  symlinkSync("/bin/sh", join(programs.path, "sh"));
  await module.detectOnly({ environment: { PATH: programs.path }, format: "text", print: () => {} });
}

function isDetection(module: object | undefined): module is typeof Detection {
  return module !== undefined && "detectOnly" in module;
}
