/**
 * Loads the migrations: from the repository's migrations/ in development, from assets in the single executable.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { getAsset, getAssetKeys, isSea } from "node:sea";

export interface Migration {
  /** The timestamp at the start of the file's name, which determines the order. */
  readonly version: string;
  readonly name: string;
  readonly text: string;
  /** SHA-256 of the text, in hexadecimal. */
  readonly checksum: string;
}

const fileName = /^(?<version>\d{14})_(?<name>\w+)\.sql$/;

/** All migrations of this program, oldest first. */
export function loadMigrations(): Migration[] {
  const files = isSea() ? assetFiles() : directoryFiles(join(import.meta.dirname, "../../../migrations"));
  return files
    .flatMap(({ file, read }) => {
      const { version, name } = fileName.exec(file)?.groups ?? {};
      if (version === undefined || name === undefined) return [];
      const text = read();
      return [{ version, name, text, checksum: createHash("sha256").update(text).digest("hex") }];
    })
    .toSorted((a, b) => (a.version < b.version ? -1 : 1));
}

interface MigrationFile {
  readonly file: string;
  readonly read: () => string;
}

function assetFiles(): MigrationFile[] {
  const prefix = "migrations/";
  return getAssetKeys()
    .filter((key) => key.startsWith(prefix))
    .map((key) => ({ file: key.slice(prefix.length), read: () => getAsset(key, "utf8") }));
}

function directoryFiles(directory: string): MigrationFile[] {
  return readdirSync(directory).map((file) => ({
    file,
    read: () => readFileSync(join(directory, file), "utf8"),
  }));
}
