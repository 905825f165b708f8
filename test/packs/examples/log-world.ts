/**
 * A log with one writer and a rotation tool, and the model of it: which numbered lines are in which file.
 *
 * The writer keeps its file open as real ones do: what it writes goes to where its file was renamed to, until it
 * reopens the log; and without O_APPEND it goes on at its old offset after a truncation, with a hole before it. Some
 * writers begin each file that is created with the same line.
 */
import { execFileSync } from "node:child_process";
import {
  copyFile,
  type FileHandle,
  open,
  readFile,
  rename,
  stat,
  truncate,
  unlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { gzipSync } from "node:zlib";
import type { SeededRandom } from "../../support/seeded-random.ts";

interface RotatedFile {
  path: string;
  readonly lines: number[];
}

interface Writer {
  readonly handle: FileHandle;
  /** Of the file that it has open. */
  readonly lines: number[];
  offset: number;
}

export class LogWorld implements AsyncDisposable {
  readonly path: string;
  /** The lines of each file that was emptied or deleted, whether they had been reported or not. */
  readonly destroyed: (readonly number[])[] = [];
  /** The lines 1 … `written` were written. */
  written = 0;
  readonly #random: SeededRandom;
  readonly #cutsTimes: boolean;
  readonly #isDated: boolean;
  readonly #appends: boolean;
  /** Empty: the writer begins its files with nothing. */
  readonly #banner: string;
  /** The newest first. */
  readonly #rotated: RotatedFile[] = [];
  #lines: number[] = [];
  #writer: Writer | undefined;
  #rotations = 0;
  /** Whether the log was created and nobody has written to it yet. */
  #isNew = true;

  /**
   * @param keepsFiles else neither are times cut to seconds, as old tools do when they compress, nor do files begin alike:
   *   when the file that was being read is gone, only these tell what is newer
   */
  constructor(path: string, random: SeededRandom, keepsFiles: boolean) {
    this.path = path;
    this.#random = random;
    this.#isDated = random.next() < 0.5;
    this.#appends = random.next() < 0.5;
    const length = [0, 40, 300, 600][Math.floor(random.between(0, 4))] ?? 0;
    this.#banner = length === 0 || !keepsFiles ? "" : `${"=".repeat(length)}\n`;
    // Then, only times tell which of the files was read to the end of that line.
    this.#cutsTimes = keepsFiles && this.#banner === "";
  }

  toString(): string {
    const place = this.#appends ? "O_APPEND" : "an offset of its own";
    return `${this.#isDated ? "dated" : "numbered"} files, ${place}, a banner of ${this.#banner.length} bytes`;
  }

  /** The last line that is on disk; 0 if there is none. */
  get lastReadable(): number {
    return Math.max(
      0,
      ...this.#lines,
      ...(this.#writer?.lines ?? []),
      ...this.#rotated.flatMap(({ lines }) => lines),
    );
  }

  async write(): Promise<void> {
    const writer = (this.#writer ??= await this.#open());
    for (let count = this.#random.between(0, 5); count > 0; count -= 1) {
      this.written += 1;
      writer.lines.push(this.written);
      const text = `line ${this.written} ${"x".repeat(this.#random.next() < 0.1 ? 9_000 : 10)}\n`;
      const cut = Math.floor(this.#random.between(0, text.length));
      for (const part of [text.slice(0, cut), text.slice(cut)]) {
        await writer.handle.write(part, this.#appends ? null : writer.offset);
        writer.offset += part.length;
      }
    }
  }

  /** Like a program that is asked to reopen its log, or restarted. */
  async reopen(): Promise<void> {
    await this.#writer?.handle.close();
    this.#writer = undefined;
  }

  async rotateByRename(): Promise<void> {
    const path = await this.#newestPath();
    await rename(this.path, path);
    this.#rotated.unshift({ path, lines: this.#lines });
    this.#lines = [];
    await writeFile(this.path, "");
    this.#isNew = true;
  }

  async rotateByCopy(): Promise<void> {
    const path = await this.#newestPath();
    await copyFile(this.path, path);
    await truncate(this.path);
    this.#isNew = false;
    this.#rotated.unshift({ path, lines: this.#lines.splice(0) });
  }

  /** Optionally skips the newest, and always skips files that are still being written. */
  async compress(): Promise<void> {
    for (const file of this.#rotated.slice(this.#random.next() < 0.5 ? 1 : 0)) {
      if (file.path.endsWith(".gz") || file.lines === this.#writer?.lines) continue;
      const plain = file.path;
      file.path = `${plain}.gz`;
      await writeFile(file.path, gzipSync(await readFile(plain)));
      const { mtimeMs } = await stat(plain);
      execFileSync("touch", ["--reference", plain, file.path]);
      if (this.#cutsTimes) await utimes(file.path, Math.floor(mtimeMs / 1_000), Math.floor(mtimeMs / 1_000));
      await unlink(plain);
    }
  }

  async empty(): Promise<void> {
    await truncate(this.path);
    this.#isNew = false;
    this.destroyed.push(this.#lines.splice(0));
  }

  async deleteOldest(): Promise<void> {
    if (this.#rotated.at(-1)?.lines === this.#writer?.lines) await this.reopen();
    const oldest = this.#rotated.pop();
    if (oldest === undefined) return;
    await unlink(oldest.path);
    this.destroyed.push(oldest.lines);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reopen();
  }

  async #open(): Promise<Writer> {
    const handle = await open(this.path, this.#appends ? "a" : "r+");
    if (this.#isNew) await handle.write(this.#banner);
    this.#isNew = false;
    return { handle, lines: this.#lines, offset: (await handle.stat()).size };
  }

  /** Moves the numbered ones on, so that the name of the newest is free. */
  async #newestPath(): Promise<string> {
    this.#rotations += 1;
    if (this.#isDated) return `${this.path}-${20_260_100 + this.#rotations}`;
    for (const [index, file] of [...this.#rotated.entries()].toReversed()) {
      const path = file.path.replace(/\.\d+(?=(\.gz)?$)/, `.${index + 2}`);
      await rename(file.path, path);
      file.path = path;
    }
    return `${this.path}.1`;
  }
}
