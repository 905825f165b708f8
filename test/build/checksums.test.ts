import { execFile } from "node:child_process";
import { appendFile, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { writeChecksums } from "../../build/papers/checksums.ts";

test("sha256sum checks what was written, every file of it", async () => {
  await using workspace = await mkdtempDisposable(join(tmpdir(), "attune-build-"));
  const inFolder = (name: string): string => join(workspace.path, name);
  await writeFile(inFolder("program"), "\u0000\u00ff");
  await writeFile(inFolder("program.licences.txt"), "");
  await writeChecksums(workspace.path);
  // The second time, its own file is among what is there.
  await writeChecksums(workspace.path);

  expect(await check(workspace.path)).toBe("program: OK\nprogram.licences.txt: OK\n");

  await appendFile(inFolder("program.licences.txt"), "x");
  await expect(check(workspace.path)).rejects.toThrow("1 computed checksum did NOT match");
});

async function check(directory: string): Promise<string> {
  const args = ["--check", "--strict", "SHA256SUMS"];
  const { stdout } = await promisify(execFile)("sha256sum", args, { cwd: directory, timeout: 30_000 });
  return stdout;
}
