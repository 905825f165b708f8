/**
 * The file in which a running sensor finds its current token: `{"token": "…", "expires_at": "2026-01-01T00:00:00.000Z"}`.
 *
 * It lies in a folder of its own that only the agent's user can open. It is replaced by a rename, so that a reader finds
 * either the old token or the new one, whole.
 */
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeProcessFolder } from "../../files/process-folder.ts";
import type { SensorToken } from "../ports.ts";

export const tokenFolderPrefix = "attune-token-";

export class TokenStateFile implements AsyncDisposable {
  readonly path: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, "token.json");
  }

  /** @throws the system's error */
  static async create(temporaryDir: string, token: SensorToken): Promise<TokenStateFile> {
    const file = new TokenStateFile(await makeProcessFolder(temporaryDir, tokenFolderPrefix));
    try {
      await file.write(token);
      return file;
    } catch (error) {
      // On a full disk every attempt fails, and would leave its folder behind.
      await file[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @throws the system's error */
  async write({ token, expiresAtMs }: SensorToken): Promise<void> {
    const text = JSON.stringify({ token, expires_at: new Date(expiresAtMs).toISOString() });
    const next = `${this.path}.next`;
    await writeFile(next, `${text}\n`, { mode: 0o600 });
    await rename(next, this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
