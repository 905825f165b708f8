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
  commands ??= evaluateCommands(readScript());
  const command = commands[path];
  if (command === undefined) throw new Error(`${path} is not in the commands script`);
  return command();
}

function readScript(): Script {
  const { script: key, codeCache: cacheKey } = commandsScriptKeys;
  const source = Buffer.from(getRawAsset(key)).toString("latin1");
  const hasCache = getAssetKeys().includes(cacheKey);
  return compileCommands(source, hasCache ? Buffer.from(getRawAsset(cacheKey)) : undefined);
}

/** @param cachedData made from the same source, by this function's Script */
export function compileCommands(source: string, cachedData: Buffer | undefined): Script {
  return new Script(`(function (module, require) { ${source}\n})`, {
    filename: commandsScriptKeys.script,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
}

export function evaluateCommands(script: Script): Commands {
  // The script is the one function that compileCommands makes.
  const evaluate: (module: { exports: Commands }, require: (id: string) => unknown) => void =
    script.runInThisContext();
  const module: { exports: Commands } = { exports: {} };
  evaluate(module, requireBuiltin);
  return module.exports;
}

function requireBuiltin(id: string): unknown {
  const found = process.getBuiltinModule(id);
  if (found === undefined) throw new Error(`${id} is neither part of Node nor of the executable`);
  return found;
}
