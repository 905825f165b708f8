/**
 * Handles variables that are too large for the kernel, which limits each to 128 KiB (execve(2), MAX_ARG_STRLEN). A larger
 * value is written to a file, and `<NAME>_FILE` contains its path.
 */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeProcessFolder } from "../../files/process-folder.ts";

export const variableFolderPrefix = "attune-sensor-";

const valueBytesMax = 100 * 1024;

export interface FittedVariables extends AsyncDisposable {
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * The files are readable only by this user and exist until disposal. NULs are removed, because they would end a value
 * early.
 *
 * @throws if a file is needed and cannot be written
 */
export async function fitVariables(
  variables: Readonly<Record<string, string>>,
  temporaryDir: string,
): Promise<FittedVariables> {
  const fitting: Record<string, string> = {};
  let folder: string | undefined;
  // On a full disk every attempt fails, and would leave its folder behind.
  await using undo = new AsyncDisposableStack();
  undo.defer(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });
  for (const [name, value] of Object.entries(variables)) {
    if (Buffer.byteLength(value) <= valueBytesMax) {
      fitting[name] = value.replaceAll("\0", "");
      continue;
    }
    folder ??= await makeProcessFolder(temporaryDir, variableFolderPrefix);
    const file = join(folder, name);
    await writeFile(file, value, { mode: 0o600 });
    fitting[`${name}_FILE`] = file;
  }
  const files = undo.move();
  return { variables: fitting, [Symbol.asyncDispose]: () => files.disposeAsync() };
}
