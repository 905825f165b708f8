/**
 * The image layer in which the executable is shipped: docker/Dockerfile.agent copies it, its licences and its bill
 * of materials at once.
 */
import assert from "node:assert/strict";
import { gzip, tar } from "../toolchain.ts";

const layerBytesMax = 48_000_000;

/** The names of the files in it. */
export function layerFiles(fileName: string): string[] {
  return [fileName, `${fileName}.licences.txt`, `${fileName}.cdx.json`];
}

/**
 * Returns its size as gzip compresses it. Engines have compressors of their own: pushed by Docker 20.10, the layer
 * is 3 % larger.
 */
export function verifyLayer(directory: string, files: readonly string[], bytesMax = layerBytesMax): number {
  // Node's own zlib is tuned for speed, and changes with Node.
  const { length: bytes } = gzip(tar(directory, files));
  assert(
    bytes <= bytesMax,
    `${files.join(", ")}: ${bytes} bytes as a compressed layer, more than ${bytesMax}`,
  );
  return bytes;
}
