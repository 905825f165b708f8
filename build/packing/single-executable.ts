/**
 * Node with the script inside: what Node calls a single executable application.
 *
 * The order matters. Stripping moves sections, so it comes first: stripping what has been injected
 * leaves a file that crashes. The blob must be read by the very version of Node that wrote it.
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

/** Node looks for the blob under this name, and only if this mark in itself says that there is one. */
const resource = "NODE_SEA_BLOB";
const sentinelFuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

export interface SingleExecutableParts {
  readonly architecture: Architecture;
  readonly node: NodeBinaries;
  readonly scripts: { readonly main: string; readonly later: Partial<Bundle["later"]> };
  readonly assets: Assets;
  readonly workDirectory: string;
}

/** Returns where the executable is. */
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
  // A program without room for the note is left as it was, without a word.
  assert(grownBytes >= blobBytes, "nothing was injected into Node");
  return executable;
}

/**
 * Of V8's settings for a small heap those that it wants to know from the beginning; the other one is in
 * src/agent/small-heap.ts. At 1,000 events/s all together made 115 MiB resident, flat, of 190 and rising;
 * half of the rest is the executable's own pages.
 */
const heapFlags = ["--max-semi-space-size=4", "--v8-pool-size=1"];

const hygieneFlags = [
  // What build/bundle/runtime/later-script.ts uses to let scripts import() is said to be experimental.
  "--disable-warning=ExperimentalWarning",
  // The image's openssl.cnf is for the image's programs: one that is broken, or that names a provider of
  // another OpenSSL, would keep us from starting.
  "--openssl-config=/dev/null",
  // SIGUSR1 would open a debugger's port, to which anybody on this machine may connect.
  "--disable-sigusr1",
];

/** Returns where it is. Of the same parts it is the same byte for byte, wherever it is made. */
export async function makeBlob({
  node,
  scripts,
  assets,
  workDirectory,
}: Omit<SingleExecutableParts, "architecture">): Promise<string> {
  const output = join(workDirectory, "agent.blob");
  const configuration = join(workDirectory, "sea.json");
  // What V8 keeps of compiled code is of use to the same kind of machine only.
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
      // As a path from the folder of this build, whose own is another each time: it gets into the executable.
      main: relative(workDirectory, scripts.main),
      output,
      assets: { ...assets, ...later },
      disableExperimentalSEAWarning: true,
      // The image's NODE_OPTIONS are not for us; the stub hides them, and this holds where it does not run.
      execArgvExtension: "none",
      execArgv: [...heapFlags, ...hygieneFlags],
      useCodeCache: isForThisMachine,
    }),
  );
  // V8 takes its code cache only from a process of the same flags.
  const flags = [...heapFlags, ...reproducibleFlags];
  execFileSync(node.builder, [...flags, "--experimental-sea-config", configuration], {
    cwd: workDirectory,
    stdio: "pipe",
  });
  return output;
}

/** In a process of its own: it takes most of a gigabyte, and complains about the names of Node's notes. */
function inject({ builder }: NodeBinaries, executable: string, blob: string): void {
  const postject = fileURLToPath(new URL("cli.js", import.meta.resolve("postject")));
  execFileSync(builder, [postject, executable, resource, blob, "--sentinel-fuse", sentinelFuse], {
    stdio: "pipe",
  });
}
