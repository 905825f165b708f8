/**
 * The image layer that contains the executable. docker/Dockerfile.agent copies it together with its licences and bill
 * of materials.
 */
import assert from "node:assert/strict";
import { gzip, tar } from "../toolchain.ts";

const layerBytesMax = 48_000_000;

/** The names of the files in the layer. */
export function layerFiles(fileName: string): string[] {
  return [fileName, `${fileName}.licences.txt`, `${fileName}.cdx.json`];
}

/**
 * Returns the layer's size compressed with gzip. Engines use other compressors: pushed by Docker 20.10, the layer is
 * 3% larger.
 */
export function verifyLayer(directory: string, files: readonly string[], bytesMax = layerBytesMax): number {
  // Not with Node's zlib, which is tuned for speed and changes between versions.
  const { length: bytes } = gzip(tar(directory, files));
  assert(
    bytes <= bytesMax,
    `${files.join(", ")}: ${bytes} bytes as a compressed layer, more than ${bytesMax}`,
  );
  return bytes;
}
