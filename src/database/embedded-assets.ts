/** The embedded database's files inside the single executable; in development PGlite finds its own. */
import { getRawAsset, isSea } from "node:sea";
import type { EmbeddedAssets } from "./embedded-engine.ts";

export function loadEmbeddedAssets(): EmbeddedAssets | undefined {
  if (!isSea()) return undefined;
  return {
    server: new Uint8Array(getRawAsset("pglite/pglite.wasm")),
    initdb: new Uint8Array(getRawAsset("pglite/initdb.wasm")),
    files: new Uint8Array(getRawAsset("pglite/pglite.data")),
  };
}
