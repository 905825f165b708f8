/**
 * `npm run build`: builds dist/attune-sensor-agent, with the licences of its components, a bill of materials
 * and checksums.
 *
 *     --arch x64|arm64       target architecture; if it is not this machine's, it is appended to the file names
 *     --out FOLDER           output folder instead of dist; nothing is appended to the file names then
 *     --without-empty-root   verify the result without an empty root, for example in an image build, where
 *                            namespaces cannot be created
 */
import { mkdir, mkdtempDisposable, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { ownArchitecture } from "./architecture.ts";
import { collectAssets } from "./bundle/assets.ts";
import { readBuildOptions } from "./build-options.ts";
import { BuilderError } from "./builder-error.ts";
import { bundle, threadAssets } from "./bundle/bundle.ts";
import { writeChecksums } from "./papers/checksums.ts";
import { findClosure } from "./packing/closure.ts";
import { collectComponents } from "./papers/components.ts";
import { layerFiles, verifyLayer } from "./packing/layer.ts";
import { licenceText } from "./papers/licences.ts";
import { billOfMaterials } from "./materials.ts";
import { bundlePage, pageAssets, writePage } from "./page/bundle-page.ts";
import { findNode } from "./node/node-binary.ts";
import { makeFolderForEverybody, moveFiles, writeForEverybody } from "./results.ts";
import { makeSelfContained } from "./packing/self-contained.ts";
import { makeSingleExecutable } from "./packing/single-executable.ts";
import { compileStub } from "./packing/stub.ts";
import { findMayRehash } from "./node/v8-snapshot.ts";
import { verifyExecutable } from "./verify.ts";

const repository = resolve(import.meta.dirname, "..");

async function buildExecutable(): Promise<void> {
  const { architecture, out, inEmptyRoot } = readBuildOptions(process.argv.slice(2));
  const isPlain = architecture === ownArchitecture || out !== undefined;
  const fileName = isPlain ? manifest.name : `${manifest.name}-${architecture.name}`;
  const distribution = resolve(out ?? join(repository, "dist"));
  await makeFolderForEverybody(distribution);
  await using work = await mkdtempDisposable(join(distribution, "build-"));

  const node = await findNode(repository, architecture);
  const scripts = await bundle(repository, work.path);
  const page = await bundlePage(repository);
  const pageFolder = join(work.path, "page");
  await writePage(page, pageFolder);
  const assets = { ...(await collectAssets(repository)), ...(await pageAssets(pageFolder)) };
  const executable = await makeSingleExecutable({
    architecture,
    node,
    scripts,
    assets: { ...assets, ...threadAssets(scripts.threads) },
    workDirectory: work.path,
  });

  const program = await readFile(executable);
  const { loader, libraries } = await findClosure(architecture, program);
  const stub = await compileStub(architecture, work.path);
  const mayRehash = findMayRehash(program);
  const packed = makeSelfContained({ program, mayRehash, stub, loader, libraries });
  // Move the files to the distribution only when verified, because an earlier build there may be in use.
  const results = join(work.path, "results");
  await mkdir(results);
  const result = join(results, fileName);
  await writeForEverybody(result, packed, 0o755);

  await verifyExecutable({
    path: result,
    architecture,
    before: program,
    inEmptyRoot,
  });
  const components = await collectComponents({
    repository,
    architecture,
    metafiles: [...scripts.metafiles, page.metafile],
  });
  await writeForEverybody(join(results, `${fileName}.licences.txt`), licenceText(components));
  await writeForEverybody(join(results, `${fileName}.cdx.json`), billOfMaterials(packed, components));
  const layerBytes = verifyLayer(results, layerFiles(fileName));
  await moveFiles(results, distribution);
  await writeChecksums(distribution);
  say(
    `${join(distribution, fileName)}: ${megabytes(packed.length)}, ${megabytes(layerBytes)} as a compressed layer`,
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

try {
  await buildExecutable();
} catch (error) {
  if (!(error instanceof BuilderError)) throw error;
  process.stderr.write(`build: ${error.message}\n`);
  process.exitCode = error.exitCode;
}
