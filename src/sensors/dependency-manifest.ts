/**
 * What a pack says it depends on: the text of `requirements.txt`, `package.json` or whatever file the
 * runtime's row names.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isJsonObject } from "../model/json.ts";
import type { ExecutionConfig } from "./execution-config.ts";

export interface DependencyManifest {
  readonly path: string;
  /** Another one where what is to be installed, or how, is another. */
  readonly fingerprint: string;
}

/** @returns undefined when there is no such file, or it asks for nothing */
export async function readDependencyManifest(
  packDir: string,
  config: ExecutionConfig,
): Promise<DependencyManifest | undefined> {
  if (config.manifestFile === null) return undefined;
  const path = join(packDir, config.manifestFile);
  const text = await textOf(path);
  if (text === undefined || !asksForSomething(config.manifestFile, text)) return undefined;

  const copied = await Promise.all(config.copyFiles.map((file) => textOf(join(packDir, file))));
  const { createCommand, installCommand } = config;
  const parts = [text, copied.map((each) => each ?? null), createCommand, installCommand];
  return { path, fingerprint: createHash("sha256").update(JSON.stringify(parts)).digest("hex") };
}

/** Most `package.json`s of sensors only say that their scripts are modules. */
function asksForSomething(file: string, text: string): boolean {
  if (!file.endsWith(".json")) return text.split("\n").some((line) => /^\s*[^#\s]/.test(line));
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch {
    return true; // Whoever reads it next says better what is wrong with it.
  }
  const sections = isJsonObject(manifest) ? manifest : undefined;
  if (sections === undefined) return true;
  return ["dependencies", "optionalDependencies", "peerDependencies"].some((name) => {
    const section = sections[name];
    return isJsonObject(section) && Object.keys(section).length > 0;
  });
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}
