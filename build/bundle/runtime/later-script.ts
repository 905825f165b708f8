/**
 * Part of the executable: reads a script from an asset when one of its modules is first needed, see
 * build/bundle/bundle.ts.
 */
import { getAssetKeys, getRawAsset } from "node:sea";
import { constants, Script } from "node:vm";

export const laterScripts = ["detection", "probe", "command-line", "commands"] as const;
export type LaterScript = (typeof laterScripts)[number];

/** The modules of such a script, by their paths in the repository, as build/bundle/bundle.ts exports them. */
export type Modules = Readonly<Record<string, () => object>>;

export function assetKeys(script: LaterScript): { readonly script: string; readonly codeCache: string } {
  return { script: `script/${script}.cjs`, codeCache: `script/${script}.cache` };
}

const evaluated = new Map<LaterScript, Modules>();

/** Evaluates a module and returns it. */
export function loadModule(script: LaterScript, path: string): object {
  const modules = evaluated.get(script) ?? evaluateScript(readScript(script));
  evaluated.set(script, modules);
  const load = modules[path];
  if (load === undefined) throw new Error(`${path} is not in the script ${script}`);
  return load();
}

function readScript(script: LaterScript): Script {
  const keys = assetKeys(script);
  const source = Buffer.from(getRawAsset(keys.script)).toString("latin1");
  const hasCache = getAssetKeys().includes(keys.codeCache);
  return compileScript(script, source, hasCache ? Buffer.from(getRawAsset(keys.codeCache)) : undefined);
}

/** The text of a script evaluates to a function. */
export const laterScriptBegin = "(function (module, require) { ";
export const laterScriptEnd = "})";

/** @param cachedData made from the same source by a Script of this function */
export function compileScript(script: LaterScript, source: string, cachedData: Buffer | undefined): Script {
  return new Script(source, {
    filename: assetKeys(script).script,
    // Libraries dynamically import some of Node's own modules.
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
}

export function evaluateScript(script: Script): Modules {
  // See laterScriptBegin.
  const evaluate: (module: { exports: Modules }, require: (id: string) => unknown) => void =
    script.runInThisContext();
  const module: { exports: Modules } = { exports: {} };
  evaluate(module, requireBuiltin);
  return module.exports;
}

function requireBuiltin(id: string): unknown {
  const found = process.getBuiltinModule(id);
  if (found === undefined) throw new Error(`${id} is neither part of Node nor of the executable`);
  return found;
}
