/**
 * Lets Node's `import` find the packages of a pack's environment. `require` finds them by NODE_PATH, which
 * `import` does not look at; it looks only above the script, where the environment does not lie.
 *
 * So Node is started with a hook that looks again, from the environment, for a package that was not found.
 * The hook's text travels inside the option, since nothing of the agent lies on the sensor's disk.
 */
import { pathToFileURL } from "node:url";
import { satisfiesVersion } from "../../model/runtimes/versions.ts";

/** Those that have hooks and take `--import` from NODE_OPTIONS; any other would refuse to start. */
const versionsWithHooks = ">=18.19 <19 || >=20.6";

/** @returns the option for NODE_OPTIONS; undefined for a Node that knows none, or of unknown version */
export function importOption(folder: string, nodeVersion: string | null): string | undefined {
  if (nodeVersion === null || !satisfiesVersion(nodeVersion, versionsWithHooks)) return undefined;
  const from = JSON.stringify(pathToFileURL(`${folder}/environment.mjs`).href);
  // A path or a URL is never a package. The first failure is what the script's author has to see.
  const lookAgain = (call: string, wait: string): string =>
    `try{return ${wait}${call}(name,context)}catch(failure){` +
    `if(failure?.code!=="ERR_MODULE_NOT_FOUND"||/^[./]|:/.test(name))throw failure;` +
    `try{return ${wait}${call}(name,{...context,parentURL:${from}})}catch{throw failure}}`;
  const inThread = `export async function resolve(name,context,next){${lookAgain("next", "await ")}}`;
  const hook =
    `import*as modules from"node:module";` +
    `if(modules.registerHooks)modules.registerHooks({resolve(name,context,next){${lookAgain("next", "")}}});` +
    `else modules.register(${JSON.stringify(dataUrl(inThread))})`;
  return `--import=${dataUrl(hook)}`;
}

function dataUrl(script: string): string {
  return `data:text/javascript,${encodeURIComponent(script)}`;
}
