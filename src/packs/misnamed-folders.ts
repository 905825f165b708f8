/**
 * Folders of a pack whose names resemble those of its definitions: `sensor` or `Sensors` for `sensors`.
 *
 * Nobody reads such a folder, so what it defines would be missing, and what an earlier load made of it
 * would be removed, checkpoints and all. One edit is the limit: at two, innocent words such as `options`
 * resemble `actions`. At one there is still `roles`, so a folder that holds nothing to read is left alone.
 * The same letters in another order resemble too: `sensros`.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { distance } from "fastest-levenshtein";
import { messageOf } from "../errors/caught.ts";
import { folderOf, isDefinitionFile, kinds } from "./definition-schemas.ts";
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
        `has a folder ${name}, whose YAML files nobody reads; call it ${meant}, or something that does not resemble it`,
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

/** Whether it is a folder with files that would be read; one that cannot be looked into counts as such. */
async function mayDefine(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined); // A link to nothing is no folder either.
  if (found === undefined || !found.isDirectory()) return false;
  const names = await readdir(path).catch(() => undefined);
  return names === undefined || names.some(isDefinitionFile);
}
