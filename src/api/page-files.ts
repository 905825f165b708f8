/**
 * The files of the page, compressed: assets of the executable, or what `npm run page` wrote when the agent runs from its
 * sources.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { getAsset, getAssetKeys, isSea } from "node:sea";

const prefix = "page/";
const suffix = ".gz";

/** File name to compressed content; empty if the page was not built. */
export function readPageFiles(): ReadonlyMap<string, Buffer> {
  return new Map(isSea() ? embeddedFiles() : writtenFiles(join(import.meta.dirname, "../../.local/page")));
}

function embeddedFiles(): (readonly [string, Buffer])[] {
  return getAssetKeys()
    .filter((key) => key.startsWith(prefix) && key.endsWith(suffix))
    .map((key) => [key.slice(prefix.length, -suffix.length), Buffer.from(getAsset(key))] as const);
}

function writtenFiles(folder: string): (readonly [string, Buffer])[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(suffix))
    .map((file) => [file.slice(0, -suffix.length), readFileSync(join(folder, file))] as const);
}
