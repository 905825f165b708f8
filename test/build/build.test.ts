/** `npm run build` as a user runs it, in its own process. */
import { execFile } from "node:child_process";
import { mkdir, mkdtempDisposable, readdir, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";

const buildLimitMs = 180_000;

// Goal: the result of an earlier build is kept until there is a better one.
// Method: a build that cannot be verified to the end, since compressing it fails.
test(
  "a build that fails its verification leaves the earlier executable",
  async () => {
    await using workspace = await mkdtempDisposable(join(tmpdir(), "attune-build-"));
    const [programs, distribution] = [join(workspace.path, "bin"), join(workspace.path, "dist")];
    for (const folder of [programs, distribution]) await mkdir(folder);
    const earlier = "of an earlier build";
    await writeFile(join(distribution, "attune-sensor-agent"), earlier);
    await writeFile(join(programs, "gzip"), "#!/bin/sh\necho 'gzip: out of order' >&2; exit 1\n", {
      mode: 0o755,
    });

    const ended = await build(["--out", distribution], { PATH: `${programs}:${process.env["PATH"]}` });

    expect(ended).toEqual({
      code: 1,
      stdout: "",
      stderr: "build: gzip could not make the layer: gzip: out of order\n",
    });
    expect(await readdir(distribution)).toEqual(["attune-sensor-agent"]);
    // By its size: a difference of 130 MB would be printed.
    expect((await stat(join(distribution, "attune-sensor-agent"))).size).toBe(earlier.length);
  },
  buildLimitMs,
);

test.each([
  { args: ["--arch", "riscv"], why: "there is no build for riscv" },
  { args: ["--frobnicate"], why: "Unknown option '--frobnicate'" },
  { args: ["x64"], why: "Unexpected argument 'x64'" },
])("a call with $args is refused in one line, with exit code 2", async ({ args, why }) => {
  const usage = "npm run build -- [--arch x64|arm64] [--out FOLDER] [--without-empty-root]";
  expect(await build(args)).toEqual({
    code: 2,
    stdout: "",
    stderr: `build: ${why}; the call is ${usage}\n`,
  });
});

test("without the compiler's tools the build names their package and leaves nothing behind", async () => {
  await using distribution = await mkdtempDisposable(join(tmpdir(), "attune-build-"));

  const { code, stderr } = await build(["--out", distribution.path], { PATH: "/nonexistent" });

  expect(code).toBe(1);
  expect(stderr).toMatch(/^build: \S+-strip is missing on this machine; on Debian .*: apt-get install .+\n$/);
  expect(await readdir(distribution.path)).toEqual([]);
});

async function build(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const script = join(repositoryRoot, "build/build.ts");
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [script, ...args],
      { env: { ...process.env, ...environment }, timeout: buildLimitMs },
      (_error, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}
