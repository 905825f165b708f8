import { mkdtempDisposable, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeDirectory } from "../../src/files/make-directory.ts";

test("makes what is missing with the given mode, and leaves alone what is there", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-make-directory-"));
  const before = await stat(directory.path);
  const path = join(directory.path, "a", "b");

  await Promise.all([makeDirectory(path, 0o750), makeDirectory(path, 0o750), makeDirectory(path, 0o750)]);

  for (const made of [path, join(directory.path, "a")]) expect((await stat(made)).mode & 0o777).toBe(0o750);
  expect((await stat(directory.path)).mode).toBe(before.mode);
  await makeDirectory(path, 0o700);
  expect((await stat(path)).mode & 0o777).toBe(0o750);
});

test("ends with the system's refusal where nothing can be made", { timeout: 5_000 }, async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-make-directory-"));
  const file = join(directory.path, "file");
  await writeFile(file, "");
  await symlink("nowhere", join(directory.path, "link"));

  await expect(makeDirectory("/proc/attune/a/b")).rejects.toMatchObject({ code: "ENOENT" });
  await expect(makeDirectory(join(file, "a"))).rejects.toMatchObject({ code: "ENOTDIR" });
  await expect(makeDirectory(file)).rejects.toMatchObject({ code: "EEXIST" });
  await expect(makeDirectory(join(directory.path, "link"))).rejects.toMatchObject({ code: "EEXIST" });
});
