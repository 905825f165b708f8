/**
 * The image layer in which the executable is shipped: docker/Dockerfile.agent copies it, its licences and its bill of materials at once.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { gzip } from "./toolchain.ts";

const layerBytesMax = 48_000_000;
const tarBytesOfAFile = 1_024;
const tarBytesAtLeast = 10_240;

/** The names of the files in it. */
export function layerFiles(fileName: string): string[] {
  return [fileName, `${fileName}.licences.txt`, `${fileName}.cdx.json`];
}

/**
 * Returns its size as gzip compresses it. Engines have compressors of their own: pushed by Docker 20.10, the layer
 * is 3 % larger.
 */
export async function verifyLayer(
  directory: string,
  files: readonly string[],
  bytesMax = layerBytesMax,
): Promise<number> {
  const bytes = await compressedBytes(directory, files);
  assert(
    bytes <= bytesMax,
    `${files.join(", ")}: ${bytes} bytes as a compressed layer, more than ${bytesMax}`,
  );
  return bytes;
}

async function compressedBytes(directory: string, files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(directory, file))).size));
  const maxBuffer = sizes.reduce((sum, size) => sum + size + tarBytesOfAFile, tarBytesAtLeast);
  const owner = ["--owner=0", "--group=0", "--numeric-owner"];
  const tar = execFileSync("tar", ["--create", ...owner, "--directory", directory, ...files], { maxBuffer });
  // Node's own zlib is tuned for speed, and changes with Node.
  return gzip(tar).length;
}
