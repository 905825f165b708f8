import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeForEverybody } from "../results.ts";

const fileName = "SHA256SUMS";

/** Writes the checksums of all files in the directory in the format of `sha256sum --check`. */
export async function writeChecksums(directory: string): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile() && entry.name !== fileName).map(({ name }) => name);
  const lines = await Promise.all(
    names.toSorted().map(async (name) => {
      const digest = createHash("sha256").update(await readFile(join(directory, name)));
      return `${digest.digest("hex")}  ${name}\n`;
    }),
  );
  await writeForEverybody(join(directory, fileName), lines.join(""));
}
