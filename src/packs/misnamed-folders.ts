/**
 * Finds folders whose names resemble a pack's definition folders, such as `sensor` or `Sensors`.
 *
 * Such a folder is not read, so its definitions would be missing, and those of an earlier load would be
 * removed together with their checkpoints. Names may differ by one edit, or have the same letters in another
 * order (`sensros`); with two edits, `options` would resemble `actions`. Because `roles` is still one edit
 * from `rules`, folders without YAML files are ignored.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { distance } from "fastest-levenshtein";
import { messageOf } from "../errors/caught.ts";
import { folderOf, isDefinitionFile, kinds } from "../model/definition-schemas.ts";
import type { PackProblem } from "./pack-problem.ts";

const folders: readonly string[] = kinds.map(folderOf);

export async function misnamedFolders(directory: string): Promise<readonly PackProblem[]> {
  const problemOf = (reason: string): PackProblem => ({
    directory,
    file: null,
    line: 1,
    field: null,
    reason,
  });
  let names: readonly string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    return [problemOf(`cannot be read: ${messageOf(error)}`)];
  }

  const problems: PackProblem[] = [];
  for (const name of names.toSorted()) {
    const meant = folders.find((folder) => resembles(name.toLowerCase(), folder));
    if (meant === undefined || meant === name || !(await mayDefine(join(directory, name)))) continue;
    problems.push(
      problemOf(
        `has a folder ${name}, whose YAML files are not read; rename it to ${meant}, or to something less similar`,
      ),
    );
  }
  return problems;
}

function resembles(name: string, folder: string): boolean {
  return distance(name, folder) <= 1 || lettersOf(name) === lettersOf(folder);
}

function lettersOf(name: string): string {
  return name.split("").toSorted().join("");
}

/** Whether it is a folder with files that would be read; an unreadable folder counts as one. */
async function mayDefine(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined); // Also covers broken links.
  if (found === undefined || !found.isDirectory()) return false;
  const names = await readdir(path).catch(() => undefined);
  return names === undefined || names.some(isDefinitionFile);
}
