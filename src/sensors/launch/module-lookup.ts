/**
 * Lets Node's `import` find the packages of a pack's environment. `require` finds them through NODE_PATH, but `import`
 * ignores it and searches only the folders above the script, which do not include the environment.
 *
 * So Node is started with a hook that retries a failed package lookup from the environment. The option contains the
 * hook's source, because none of the agent's files are on the sensor's disk.
 */
import { pathToFileURL } from "node:url";
import { satisfiesVersion } from "../../model/runtimes/versions.ts";

/** Versions that support hooks and `--import` in NODE_OPTIONS; others would refuse to start. */
const versionsWithHooks = ">=18.19 <19 || >=20.6";

/** @returns the option for NODE_OPTIONS; undefined if this Node does not support it or its version is unknown */
export function importOption(folder: string, nodeVersion: string | null): string | undefined {
  if (nodeVersion === null || !satisfiesVersion(nodeVersion, versionsWithHooks)) return undefined;
  const from = JSON.stringify(pathToFileURL(`${folder}/environment.mjs`).href);
  // A path or a URL is never a package. The script's author should see the first failure.
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
