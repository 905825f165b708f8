import { mkdir, readdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { hasCode, messageOf } from "../../errors/caught.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import { newPack, schemaFiles, type NewFile, type NewPackLanguage } from "../../packs/new-pack.ts";
import type { ExitCode, Invocation } from "../invocation.ts";

/**
 * Makes the folder of a new pack, with a sensor, a rule and a test of the rule.
 *
 * @throws OperatorError PACK_INVALID if the folder has content or its name is no ref
 */
export async function makePack(
  { print }: Pick<Invocation, "print">,
  directory: string,
  language: NewPackLanguage,
): Promise<ExitCode> {
  const ref = basename(resolve(directory));
  if (!/^[A-Za-z0-9_-]+$/.test(ref)) {
    throw failure(
      directory,
      `${ref} cannot be a pack's ref, which has letters, digits, - and _`,
      "choose another name",
    );
  }
  if ((await contentOf(directory)).length > 0)
    throw failure(directory, "the folder has content already", "choose a new folder; nothing was changed");
  await writeFiles(directory, newPack(ref, language));
  print(`${directory} is a pack with a sensor, a rule and a test. Next:

  attune-sensor-agent packs check ${directory}
  attune-sensor-agent packs test ${directory}
  attune-sensor-agent packs load ${directory}
`);
  return 0;
}

/** Writes the JSON Schemas of pack files into a folder. */
export async function writeSchemas(
  { print }: Pick<Invocation, "print">,
  directory: string,
): Promise<ExitCode> {
  await writeFiles(directory, schemaFiles());
  print(`${join(directory, "schemas")} has the schemas of pack files\n`);
  return 0;
}

async function contentOf(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw failure(directory, messageOf(error), "choose a folder that can be written");
  }
}

async function writeFiles(directory: string, files: readonly NewFile[]): Promise<void> {
  try {
    for (const { path, text } of files) {
      const file = join(directory, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
  } catch (error) {
    throw failure(directory, messageOf(error), "choose a folder that can be written");
  }
}

function failure(directory: string, reason: string, remedy: string): OperatorError {
  return new OperatorError({ code: "PACK_INVALID", attempt: `make a pack in ${directory}`, reason, remedy });
}
