/**
 * The embedded database's files in the single executable; in development PGlite finds its own. build/bundle/assets.ts
 * compresses them, because few agents need them.
 */
import { getRawAsset, isSea } from "node:sea";
import { zstdDecompressSync } from "node:zlib";
import type { EmbeddedAssets } from "./engine.ts";

export function loadEmbeddedAssets(): EmbeddedAssets | undefined {
  if (!isSea()) return undefined;
  return {
    server: loadAsset("pglite/pglite.wasm"),
    initdb: loadAsset("pglite/initdb.wasm"),
    files: loadAsset("pglite/pglite.data"),
  };
}

function loadAsset(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(zstdDecompressSync(getRawAsset(`${name}.zst`)));
}
