import { readdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { hasCode, messageOf } from "../../errors/caught.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import { makeDirectory } from "../../files/make-directory.ts";
import { newPack, schemaFiles, type NewFile, type NewPackLanguage } from "../../packs/new-pack.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { jsonReport } from "../json-report.ts";

/**
 * Makes the folder of a new pack, with a sensor, a rule and a test of the rule.
 *
 * @throws OperatorError PACK_INVALID if the folder has content or its name is no ref
 */
export async function makePack(
  { print, format }: Pick<Invocation, "print" | "format">,
  directory: string,
  language: NewPackLanguage,
): Promise<ExitCode> {
  const ref = basename(resolve(directory));
  const attempt = `make a pack in ${directory}`;
  if (!/^[A-Za-z0-9_-]+$/.test(ref)) {
    throw failure(
      attempt,
      `${ref} cannot be a pack's ref, which has letters, digits, - and _`,
      "choose another name",
    );
  }
  const content = await contentOf(directory);
  if (content === "no folder") throw failure(attempt, "it is not a folder", "choose a new folder");
  if (content !== undefined && content.length > 0)
    throw failure(attempt, "the folder has content already", "choose a new folder; nothing was changed");
  await writeFiles(attempt, directory, newPack(ref, language));
  if (format === "json") {
    print(jsonReport({ pack: ref, directory }));
    return 0;
  }
  print(`${directory} is a pack with a sensor, a rule and a test. Next:

  attune-sensor-agent packs check ${directory}
  attune-sensor-agent packs test ${directory}
  attune-sensor-agent packs load ${directory}
`);
  return 0;
}

/**
 * Writes the JSON Schemas of pack files into a pack's folder.
 *
 * @throws OperatorError PACK_INVALID if there is no such folder
 */
export async function writeSchemas(
  { print, format }: Pick<Invocation, "print" | "format">,
  directory: string,
): Promise<ExitCode> {
  const attempt = `write schemas into ${directory}`;
  const content = await contentOf(directory);
  if (content === undefined) throw failure(attempt, "it does not exist", "give the folder of a pack");
  if (content === "no folder") throw failure(attempt, "it is not a folder", "give the folder of a pack");
  await writeFiles(attempt, directory, schemaFiles());
  const schemas = join(directory, "schemas");
  print(format === "json" ? jsonReport({ schemas }) : `${schemas} has the schemas of pack files\n`);
  return 0;
}

/** Undefined: there is nothing of that name. */
async function contentOf(directory: string): Promise<readonly string[] | "no folder" | undefined> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    if (hasCode(error, "ENOTDIR")) return "no folder";
    throw failure(`read ${directory}`, messageOf(error), "choose a folder that can be read and written");
  }
}

async function writeFiles(attempt: string, directory: string, files: readonly NewFile[]): Promise<void> {
  try {
    for (const { path, text } of files) {
      const file = join(directory, path);
      await makeDirectory(dirname(file));
      await writeFile(file, text);
    }
  } catch (error) {
    throw failure(attempt, messageOf(error), "choose a folder that can be written");
  }
}

function failure(attempt: string, reason: string, remedy: string): OperatorError {
  return new OperatorError({ code: "PACK_INVALID", attempt, reason, remedy });
}
