import { statSync } from "node:fs";
import { mkdtempDisposable, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
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

// Goal: a private folder is never open to others, neither briefly nor after its creator was killed half-way.
// Method: look at it from the thread that would narrow it, which cannot do so while it looks.
test("a folder is never open wider than its mode", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-make-directory-"));
  const umask = process.umask(0o022);
  onTestFinished(() => void process.umask(umask));
  const path = join(directory.path, "a");

  const making = makeDirectory(path, 0o700);
  let mode: number | undefined;
  for (let turn = 0; turn < 100 && mode === undefined; turn += 1) {
    await nextTurn();
    mode = modeSoon(path, 50);
  }

  expect(mode).toBe(0o700);
  await making;
});

/** The mode of what appears there within the time, looking without a pause. */
function modeSoon(path: string, withinMs: number): number | undefined {
  const endMs = performance.now() + withinMs;
  while (performance.now() < endMs) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found !== undefined) return found.mode & 0o777;
  }
  return undefined;
}

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
