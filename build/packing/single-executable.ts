/**
 * Node with the script inside, which Node calls a single executable application.
 *
 * The order matters. Stripping moves sections, so it comes before injecting; the other way round, the file would
 * crash. The blob must be read by the exact version of Node that wrote it.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Architecture } from "../architecture.ts";
import type { Assets } from "../bundle/assets.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { makeCodeCache, reproducibleFlags } from "../bundle/code-cache.ts";
import { nodeVersionOf, type NodeBinaries } from "../node/node-binary.ts";
import { slimNode } from "../node/slim-node.ts";
import { assetKeys, laterScripts } from "../bundle/runtime/later-script.ts";
import { runTool } from "../toolchain.ts";
import { heapFlags } from "./heap-flags.ts";

/** Node looks for the blob under this name, but only if the fuse in its own binary is set. */
const resource = "NODE_SEA_BLOB";
const sentinelFuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

export interface SingleExecutableParts {
  readonly architecture: Architecture;
  readonly node: NodeBinaries;
  readonly scripts: { readonly main: string; readonly later: Partial<Bundle["later"]> };
  readonly assets: Assets;
  readonly workDirectory: string;
}

/** Returns the path of the executable. */
export async function makeSingleExecutable(parts: SingleExecutableParts): Promise<string> {
  const { architecture, node, workDirectory } = parts;
  const executable = join(workDirectory, "node-with-script");
  runTool(architecture, "strip", ["-o", executable, node.target]);
  await writeFile(executable, slimNode(await readFile(executable)));
  await chmod(executable, 0o755);

  assert.equal(await nodeVersionOf(node.target), await nodeVersionOf(node.builder), "two versions of Node");
  const blob = await makeBlob(parts);
  const blobBytes = (await stat(blob)).size;

  const strippedBytes = (await stat(executable)).size;
  inject(node, executable, blob);
  const grownBytes = (await stat(executable)).size - strippedBytes;
  // postject silently leaves a program unchanged if it has no space for the note.
  assert(grownBytes >= blobBytes, "nothing was injected into Node");
  return executable;
}

const hygieneFlags = [
  // build/bundle/runtime/later-script.ts uses an experimental option for dynamic imports.
  "--disable-warning=ExperimentalWarning",
  // The image's openssl.cnf is for the image's programs. If it is broken or names a provider of another OpenSSL,
  // the agent could not start.
  "--openssl-config=/dev/null",
  // SIGUSR1 would open a debugger port to which anyone on this machine can connect.
  "--disable-sigusr1",
];

/** Returns the path of the blob. The same parts give the same bytes, wherever it is made. */
export async function makeBlob({
  node,
  scripts,
  assets,
  workDirectory,
}: Omit<SingleExecutableParts, "architecture">): Promise<string> {
  const output = join(workDirectory, "agent.blob");
  const configuration = join(workDirectory, "sea.json");
  // V8's code cache is valid only on the same architecture.
  const isForThisMachine = node.builder === node.target;
  const later: Record<string, string> = {};
  for (const script of laterScripts) {
    const source = scripts.later[script];
    if (source === undefined) continue;
    const keys = assetKeys(script);
    later[keys.script] = source;
    if (!isForThisMachine) continue;
    const cache = join(workDirectory, `${script}.cache`);
    makeCodeCache({ node: node.builder, flags: heapFlags, script, source, output: cache });
    later[keys.codeCache] = cache;
  }
  await writeFile(
    configuration,
    JSON.stringify({
      // Relative, because the path gets into the executable and the build's folder differs each time.
      main: relative(workDirectory, scripts.main),
      output,
      assets: { ...assets, ...later },
      disableExperimentalSEAWarning: true,
      // Ignore the image's NODE_OPTIONS. The stub hides them, but it does not always run.
      execArgvExtension: "none",
      execArgv: [...heapFlags, ...hygieneFlags],
      useCodeCache: isForThisMachine,
    }),
  );
  // V8 accepts a code cache only from a process with the same flags.
  const flags = [...heapFlags, ...reproducibleFlags];
  execFileSync(node.builder, [...flags, "--experimental-sea-config", configuration], {
    cwd: workDirectory,
    stdio: "pipe",
  });
  return output;
}

/** Runs in a separate process, because it needs almost a gigabyte and prints warnings about Node's notes. */
function inject({ builder }: NodeBinaries, executable: string, blob: string): void {
  const postject = fileURLToPath(new URL("cli.js", import.meta.resolve("postject")));
  execFileSync(builder, [postject, executable, resource, blob, "--sentinel-fuse", sentinelFuse], {
    stdio: "pipe",
  });
}
