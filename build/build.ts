/**
 * `npm run build`: makes dist/attune-sensor-agent, with the licences of what is in it, a bill of materials
 * and checksums.
 *
 *     --arch x64|arm64       for which kind of machine; for another than this one's the file's name ends in it
 *     --out FOLDER           where to, instead of dist; the names then have no such ending
 *     --without-empty-root   try the result out right here: where namespaces may not be made, as in an image build
 */
import { mkdir, mkdtempDisposable, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { ownArchitecture } from "./architecture.ts";
import { collectAssets } from "./bundle/assets.ts";
import { readBuildOptions } from "./build-options.ts";
import { BuilderError } from "./builder-error.ts";
import { bundle } from "./bundle/bundle.ts";
import { writeChecksums } from "./papers/checksums.ts";
import { findClosure } from "./packing/closure.ts";
import { collectComponents } from "./papers/components.ts";
import { layerFiles, verifyLayer } from "./packing/layer.ts";
import { licenceText } from "./papers/licences.ts";
import { billOfMaterials } from "./materials.ts";
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
  const assets = await collectAssets(repository);
  const executable = await makeSingleExecutable({
    architecture,
    node,
    scripts,
    assets,
    workDirectory: work.path,
  });

  const program = await readFile(executable);
  const { loader, libraries } = await findClosure(architecture, program);
  const stub = await compileStub(architecture, work.path);
  const mayRehash = findMayRehash(program);
  const packed = makeSelfContained({ program, mayRehash, stub, loader, libraries });
  // What has not been verified gets no place in the distribution, where an earlier build may be in use.
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
  const components = await collectComponents({ repository, architecture, metafiles: scripts.metafiles });
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
