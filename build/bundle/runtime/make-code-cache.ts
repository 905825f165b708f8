/**
 * Run by build/bundle/code-cache.ts in a process of its own: node make-code-cache.ts NAME SCRIPT OUTPUT
 *
 * V8 compiles a function when it is first called, and the cache contains everything compiled so far. So all modules
 * are evaluated first, and the commands that must start fast are run. Detection is given a single program, because
 * which of several ends first is random and would affect the cache. A probe reads its configuration but makes no
 * request.
 */
import assert from "node:assert/strict";
import { mkdtempDisposableSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import type * as Detection from "../../../src/agent/commands/detect-only.ts";
import type * as Probe from "../../../src/agent/commands/doctor-probe.ts";
import { detection, probe } from "../entries.ts";
import { compileScript, evaluateScript, laterScripts } from "./later-script.ts";

const [name, path, output] = process.argv.slice(2);
const script = laterScripts.find((each) => each === name);
assert(
  script !== undefined && path !== undefined && output !== undefined,
  `usage: make-code-cache.ts ${laterScripts.join("|")} SCRIPT OUTPUT`,
);

// Which functions run often enough to be optimized depends on the machine's load and processes, and V8 notes it in the cache.
setFlagsFromString("--no-sparkplug");
setFlagsFromString("--no-maglev");
const compiled = compileScript(script, readFileSync(path, "latin1"), undefined);
const modules = evaluateScript(compiled);
for (const evaluate of Object.values(modules)) evaluate();
if (script === "detection") await detect(modules[detection]?.());
if (script === "probe") await ask(modules[probe]?.());
// As in the executable: V8 accepts a cache only from a process with the same flags.
setFlagsFromString("--sparkplug");
setFlagsFromString("--maglev");
writeFileSync(output, compiled.createCachedData());

async function detect(module: object | undefined): Promise<void> {
  assert(isDetection(module), `${detection} is not what it was`);
  using programs = mkdtempDisposableSync(join(tmpdir(), "attune-code-cache-"));
  symlinkSync("/bin/sh", join(programs.path, "sh"));
  await module.detectOnly({ environment: { PATH: programs.path }, format: "text", print: ignore });
}

function isDetection(module: object | undefined): module is typeof Detection {
  return module !== undefined && "detectOnly" in module;
}

async function ask(module: object | undefined): Promise<void> {
  assert(isProbe(module), `${probe} is not what it was`);
  const invocation = { configPath: undefined, workerName: undefined, print: ignore, complain: ignore };
  await module.probeAgent({ ...invocation, environment: { ATTUNE__API__ENABLED: "false" } }, "ready");
}

function isProbe(module: object | undefined): module is typeof Probe {
  return module !== undefined && "probeAgent" in module;
}

function ignore(): void {}
