/**
 * A pack's dependencies: the text of `requirements.txt`, `package.json` or another file that the runtime's row names,
 * with the files it includes.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isJsonObject } from "../../model/json/json.ts";
import type { ExecutionConfig } from "./execution-config.ts";
import { readIncluded } from "./included-requirements.ts";

export interface DependencyManifest {
  readonly path: string;
  /** Changes if what to install, or how, changes. */
  readonly fingerprint: string;
}

/** @returns undefined if there is no such file or it lists nothing */
export async function readDependencyManifest(
  packDir: string,
  config: ExecutionConfig,
): Promise<DependencyManifest | undefined> {
  if (config.manifestFile === null) return undefined;
  const path = join(packDir, config.manifestFile);
  const text = await textOf(path);
  if (text === undefined || !asksForSomething(config.manifestFile, text)) return undefined;

  const copied = await Promise.all(config.copyFiles.map((file) => textOf(join(packDir, file))));
  const included = isJson(config.manifestFile) ? [] : await readIncluded(path, text, textOf);
  const { createCommand, installCommand } = config;
  const parts: unknown[] = [text, copied.map((each) => each ?? null), createCommand, installCommand];
  // Without includes the fingerprint is that of earlier versions, so that their environments stay valid.
  if (included.length > 0) parts.push(included);
  return { path, fingerprint: createHash("sha256").update(JSON.stringify(parts)).digest("hex") };
}

/** Most sensors' `package.json` only declare that the scripts are modules. */
function asksForSomething(file: string, text: string): boolean {
  if (!isJson(file)) return text.split("\n").some((line) => /^\s*[^#\s]/.test(line));
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch {
    return true; // The installer reports the problem better.
  }
  const sections = isJsonObject(manifest) ? manifest : undefined;
  if (sections === undefined) return true;
  return ["dependencies", "optionalDependencies", "peerDependencies"].some((name) => {
    const section = sections[name];
    return isJsonObject(section) && Object.keys(section).length > 0;
  });
}

function isJson(file: string): boolean {
  return file.endsWith(".json");
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}
