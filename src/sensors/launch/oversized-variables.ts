/**
 * Variables that the kernel would refuse: one string of the environment may have 128 KiB (execve(2),
 * MAX_ARG_STRLEN). A larger value is put into a file and `<NAME>_FILE` names it.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const valueBytesMax = 100 * 1024;

export interface FittedVariables extends AsyncDisposable {
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Files live, readable by this user alone, until disposal. A NUL would end a value early, so it is
 * taken out.
 *
 * @throws when a file is needed and cannot be written
 */
export async function fitVariables(
  variables: Readonly<Record<string, string>>,
  temporaryDir: string,
): Promise<FittedVariables> {
  const fitting: Record<string, string> = {};
  let folder: string | undefined;
  for (const [name, value] of Object.entries(variables)) {
    if (Buffer.byteLength(value) <= valueBytesMax) {
      fitting[name] = value.replaceAll("\0", "");
      continue;
    }
    folder ??= await mkdtemp(join(temporaryDir, "attune-sensor-"));
    const file = join(folder, name);
    await writeFile(file, value, { mode: 0o600 });
    fitting[`${name}_FILE`] = file;
  }
  return {
    variables: fitting,
    async [Symbol.asyncDispose]() {
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}
