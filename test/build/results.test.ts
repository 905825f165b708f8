import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  copyFile,
  mkdir,
  mkdtempDisposable,
  readdir,
  readFile,
  stat,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { writeChecksums } from "../../build/papers/checksums.ts";
import { makeFolderForEverybody, moveFiles, writeForEverybody } from "../../build/results.ts";

test("every user can use the build's results under any umask, and earlier results are replaced", async () => {
  await using workspace = await mkdtempDisposable(join(tmpdir(), "attune-build-"));
  const umask = process.umask(0o077);
  onTestFinished(() => void process.umask(umask));
  const above = join(workspace.path, "out");
  const folder = join(above, "dist");
  const inFolder = (name: string): string => join(folder, name);

  await makeFolderForEverybody(folder);
  await writeFile(inFolder("earlier"), "", { mode: 0o600 });
  await writeForEverybody(inFolder("program"), "", 0o755);
  await writeForEverybody(inFolder("earlier"), "");
  await writeChecksums(folder);

  const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;
  expect(await modeOf(above)).toBe(0o755);
  expect(await modeOf(folder)).toBe(0o755);
  expect(await modeOf(inFolder("program"))).toBe(0o755);
  expect(await modeOf(inFolder("earlier"))).toBe(0o644);
  expect(await modeOf(inFolder("SHA256SUMS"))).toBe(0o644);
});

test("a folder that was there keeps its mode", async () => {
  await using workspace = await mkdtempDisposable(join(tmpdir(), "attune-build-"));
  await chmod(workspace.path, 0o770);

  await makeFolderForEverybody(workspace.path);

  expect((await stat(workspace.path)).mode & 0o777).toBe(0o770);
});

test("a running program is replaced and continues", async () => {
  await using workspace = await mkdtempDisposable(join(tmpdir(), "attune-build-"));
  const [results, distribution] = [join(workspace.path, "results"), join(workspace.path, "dist")];
  for (const folder of [results, distribution]) await mkdir(folder);
  const program = join(distribution, "program");
  await copyFile("/bin/sleep", program);
  const running = spawn(program, ["60"]);
  onTestFinished(() => void running.kill());
  await once(running, "spawn");
  await writeForEverybody(join(results, "program"), "newer", 0o755);

  await moveFiles(results, distribution);

  expect(await readFile(program, "utf8")).toBe("newer");
  expect((await stat(program)).mode & 0o777).toBe(0o755);
  expect(await readdir(results)).toEqual([]);
  expect(running.exitCode).toBeNull();
});
