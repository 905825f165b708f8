/** The encryption key that an agent with an embedded database makes for itself. */
import { randomBytes, randomUUID } from "node:crypto";
import { link, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "../errors/caught.ts";
import { makeDirectory } from "../files/make-directory.ts";
import { withoutEditorMarks } from "../files/reread-text.ts";

/** Beside the database. A copy of one is useless without the other. */
function ownEncryptionKeyFile(dataDirectory: string): string {
  return join(dataDirectory, "encryption-key");
}

/** Undefined: there is none yet. */
export async function readOwnEncryptionKey(dataDirectory: string): Promise<string | undefined> {
  try {
    return withoutEditorMarks(await readFile(ownEncryptionKeyFile(dataDirectory), "utf8"));
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Reads the key, or makes it: readable by this user alone, and complete or not there. */
export async function ownEncryptionKey(dataDirectory: string): Promise<string> {
  const known = await readOwnEncryptionKey(dataDirectory);
  if (known !== undefined) return known;

  await makeDirectory(dataDirectory);
  const path = ownEncryptionKeyFile(dataDirectory);
  const unfinished = `${path}.${randomUUID()}`;
  const key = randomBytes(32).toString("hex");
  {
    await using file = await open(unfinished, "wx", 0o600);
    await file.writeFile(`${key}\n`);
    await file.sync();
  }
  try {
    // Unlike a rename, never replaces a key that values are encrypted with.
    await link(unfinished, path);
    return key;
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
    return (await readOwnEncryptionKey(dataDirectory)) ?? key;
  } finally {
    await rm(unfinished, { force: true });
  }
}
