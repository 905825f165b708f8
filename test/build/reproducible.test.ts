import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bundle } from "../../build/bundle/bundle.ts";
import { makeCodeCache } from "../../build/bundle/code-cache.ts";
import { compileScript } from "../../build/bundle/runtime/later-script.ts";
import { makeBlob } from "../../build/packing/single-executable.ts";
import { repositoryRoot } from "../../scripts/repository.ts";

const ownNode = { builder: process.execPath, target: process.execPath };

test("what is put into Node is the same byte for byte in two builds", async () => {
  const [first, second] = [await blobOfABuild(), await blobOfABuild()];

  expect(first.length).toBeGreaterThan(1_000_000);
  expect(first.equals(second)).toBe(true);
  // Among the executable's start flags, it would make the hashes predictable.
  expect(first.includes("random-seed")).toBe(false);
});

test("a process with random hashes still uses the code cache", async () => {
  await using work = await mkdtempDisposable(join(tmpdir(), "attune-build-"));
  const { later } = await bundle(repositoryRoot, work.path);
  const output = join(work.path, "detection.cache");

  makeCodeCache({ node: ownNode.builder, flags: [], script: "detection", source: later.detection, output });

  const cache = await readFile(output);
  const script = compileScript("detection", await readFile(later.detection, "latin1"), cache);
  expect(script.cachedDataRejected).toBe(false);
});

async function blobOfABuild(): Promise<Buffer> {
  await using work = await mkdtempDisposable(join(tmpdir(), "attune-build-"));
  const scripts = await bundle(repositoryRoot, work.path);
  return await readFile(await makeBlob({ node: ownNode, scripts, assets: {}, workDirectory: work.path }));
}
