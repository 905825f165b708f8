/**
 * The files embedded in the executable next to the script: migrations, the core pack, the OpenAPI
 * document, and the embedded database. `node:sea` returns them by the keys defined here.
 *
 * The embedded database's files are large and few agents use them, so they are compressed, more strongly than
 * an image layer would be.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { glob, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { cacheDirectory } from "../cache.ts";

/** Key to path. */
export type Assets = Readonly<Record<string, string>>;

const embeddedDatabaseFiles = ["pglite.wasm", "initdb.wasm", "pglite.data"];
const compressionLevel = 19;

export async function collectAssets(repository: string): Promise<Assets> {
  const assets: Record<string, string> = {};
  for await (const entry of glob("{migrations/*.sql,packs/core/**,docs/openapi.json}", {
    cwd: repository,
    withFileTypes: true,
  })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    assets[relative(repository, path).replaceAll(sep, "/")] = path;
  }
  for (const file of embeddedDatabaseFiles) {
    assets[`pglite/${file}.zst`] = await compressed(
      join(repository, "node_modules/@electric-sql/pglite/dist", file),
    );
  }
  return assets;
}

/** Compressing takes seconds, so the result is cached by the hash of the input. */
async function compressed(path: string): Promise<string> {
  const bytes = await readFile(path);
  const digest = createHash("sha256").update(bytes).digest("hex");
  const kept = join(cacheDirectory(), `${digest}-${compressionLevel}.zst`);
  if (existsSync(kept)) return kept;

  const params = { [constants.ZSTD_c_compressionLevel]: compressionLevel };
  await mkdir(cacheDirectory(), { recursive: true });
  const unfinished = `${kept}.${process.pid}`;
  await writeFile(unfinished, await promisify(zstdCompress)(bytes, { params }));
  await rename(unfinished, kept);
  return kept;
}
