/** The built executable alone: no PostgreSQL, no broker, no variables. */
import { spawnSync } from "node:child_process";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../../scripts/repository.ts";

const executable = join(repositoryRoot, "dist/attune-sensor-agent");

test("it uses its own database and logs only what it did", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-embedded-"));

  const { status, stdout, stderr } = spawnSync(executable, ["migrate"], {
    cwd: directory.path,
    env: { PATH: "/usr/bin:/bin" },
    encoding: "utf8",
  });

  expect(stdout).toMatch(/^(applied \S+\n)+\d+ applied to the embedded database in \S+\n$/);
  expect(stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"))).toEqual([]);
  expect(status).toBe(0);
}, 60_000);
