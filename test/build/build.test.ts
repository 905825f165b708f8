/** `npm run build` as whoever builds calls it, in a process of its own. */
import { execFile } from "node:child_process";
import { mkdir, mkdtempDisposable, readdir, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";

const buildLimitMs = 180_000;

// Goal: what an earlier build made stays until there is something better.
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

    const ended = await build(["--out", distribution], `${programs}:${process.env["PATH"]}`);

    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain("gzip: out of order");
    expect(await readdir(distribution)).toEqual(["attune-sensor-agent"]);
    // By its size: a difference of 130 MB would be printed.
    expect((await stat(join(distribution, "attune-sensor-agent"))).size).toBe(earlier.length);
  },
  buildLimitMs,
);

async function build(
  args: readonly string[],
  path: string,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const script = join(repositoryRoot, "build/build.ts");
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [script, ...args],
      { env: { ...process.env, PATH: path }, timeout: buildLimitMs },
      (_error, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}
