/** Files that only this user may read, replaced as a whole, so that readers see the old text or the new. */
import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";

/** @throws the system's error */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  try {
    {
      await using file = await open(draft, "wx", 0o600);
      await file.writeFile(text);
      await file.sync();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
