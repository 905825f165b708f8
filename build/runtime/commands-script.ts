/**
 * Part of the executable: reads the script that holds all commands but `--detect-only`, see build/bundle.ts.
 */
import { getAssetKeys, getRawAsset } from "node:sea";
import { Script } from "node:vm";

/** What build/bundle.ts makes of the commands: module by path. */
type Commands = Readonly<Record<string, () => object>>;

export const commandsScriptKeys = {
  script: "script/commands.cjs",
  codeCache: "script/commands.cache",
} as const;

let commands: Commands | undefined;

/** The module of that path, evaluated. */
export function loadCommand(path: string): object {
  commands ??= evaluateScript();
  const command = commands[path];
  if (command === undefined) throw new Error(`${path} is not in the commands script`);
  return command();
}

function evaluateScript(): Commands {
  const { script: key, codeCache: cacheKey } = commandsScriptKeys;
  const source = Buffer.from(getRawAsset(key)).toString("latin1");
  const cachedData = getAssetKeys().includes(cacheKey) ? Buffer.from(getRawAsset(cacheKey)) : undefined;
  const script = new Script(wrapScript(source), {
    filename: key,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  // The script is the one function that wrapScript makes.
  const evaluate: (module: { exports: Commands }, require: (id: string) => unknown) => void =
    script.runInThisContext();
  const module: { exports: Commands } = { exports: {} };
  evaluate(module, requireBuiltin);
  return module.exports;
}

/** The code cache is of exactly this text. */
export function wrapScript(source: string): string {
  return `(function (module, require) { ${source}\n})`;
}

function requireBuiltin(id: string): unknown {
  const found = process.getBuiltinModule(id);
  if (found === undefined) throw new Error(`${id} is neither part of Node nor of the executable`);
  return found;
}
