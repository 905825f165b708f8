import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Architecture, architectures, ownArchitecture } from "../../build/architecture.ts";
import { BuilderError } from "../../build/builder-error.ts";
import { findLibrary } from "../../build/node/debian-libraries.ts";
import { runInEmptyRoot } from "../../build/packing/empty-root.ts";
import { findNode } from "../../build/node/node-binary.ts";
import { findEmulator, gzip, runTool, tar } from "../../build/toolchain.ts";
import { repositoryRoot } from "../../scripts/repository.ts";
import { run } from "./packed-probe.ts";

const { x64, arm64 } = architectures;
const [own, foreign]: [Architecture, Architecture] = ownArchitecture === arm64 ? [arm64, x64] : [x64, arm64];

describe("on a machine without any program", () => {
  beforeEach(() => void vi.stubEnv("PATH", "/nonexistent"));
  afterEach(() => void vi.unstubAllEnvs());

  const inEmptyRoot = { program: "/bin/true", args: [] };
  test.each([
    { what: "a compiler", use: () => runTool(own, "gcc", []), packages: own.debianPackages.join(" ") },
    { what: "a library", use: () => findLibrary(own, "libc.so.6"), packages: own.debianPackages.join(" ") },
    { what: "an emulator", use: () => findEmulator(foreign), packages: "qemu-user-static" },
    { what: "tar", use: () => tar("/etc", ["passwd"]), packages: "tar" },
    { what: "gzip", use: () => gzip(Buffer.from("x")), packages: "gzip" },
    { what: "unshare", use: () => runInEmptyRoot(inEmptyRoot), packages: "util-linux" },
  ])("$what is reported as missing, with its package", async ({ use, packages }) => {
    const failed = Promise.try<unknown, []>(use);

    await expect(failed).rejects.toBeInstanceOf(BuilderError);
    await expect(failed).rejects.toThrow(
      `is missing on this machine; on Debian or Ubuntu: apt-get install ${packages}`,
    );
  });

  test.each([
    { what: "a compiler", use: () => runTool(foreign, "gcc", []) },
    { what: "a library", use: () => findLibrary(foreign, "libc.so.6") },
  ])(
    "$what for another kind of machine is said to be missing, and how to get at its packages",
    async ({ use }) => {
      const failed = Promise.try<unknown, []>(use);

      await expect(failed).rejects.toBeInstanceOf(BuilderError);
      await expect(failed).rejects.toThrow(
        `is missing on this machine; on Debian: dpkg --add-architecture ${foreign.debianName} && apt-get update && ` +
          `apt-get install ${foreign.debianPackages.join(" ")}`,
      );
    },
  );

  test("Node for another architecture cannot be fetched, and this is reported", async () => {
    await using cache = await mkdtempDisposable(join(tmpdir(), "attune-cache-"));
    vi.stubEnv("XDG_CACHE_HOME", cache.path);

    const failed = findNode(repositoryRoot, foreign);

    await expect(failed).rejects.toBeInstanceOf(BuilderError);
    await expect(failed).rejects.toThrow(/^npm could not fetch node-linux-.*check that npm is installed/);
  });
});

test("a library that no package contains is reported as missing", () => {
  expect(() => findLibrary(own, "libnone.so.1")).toThrow("is missing on this machine");
});

// The image's build has them all, so that either executable can be made there.
test("the image's build installs what the build asks for, and nothing of a cross compiler's libraries", async () => {
  const dockerfile = await readFile(join(repositoryRoot, "docker/Dockerfile.agent"), "utf8");

  const words = /^RUN dpkg --add-architecture arm64 .*?apt-get install(.*?)&&/ms
    .exec(dockerfile)?.[1]
    ?.split(/[\s\\]+/);

  expect(words).toEqual(expect.arrayContaining([...x64.debianPackages, ...arm64.debianPackages]));
  expect(words).toContain("qemu-user-static");
  expect(dockerfile).not.toContain("-cross");
});

test("programs for this kind of machine need no emulator", () => {
  expect(ownArchitecture && findEmulator(ownArchitecture)).toBeUndefined();
});

// In a process of its own, whose kernel allows it no mount namespaces.
test("if namespaces are forbidden, a remedy is given", async () => {
  const script = `
    import { runInEmptyRoot } from ${JSON.stringify(join(repositoryRoot, "build/packing/empty-root.ts"))};
    await runInEmptyRoot({ program: "/bin/true", args: [] }).catch(({ name, message }) => console.log(name, message));`;
  const forbid = 'echo 0 > /proc/sys/user/max_mnt_namespaces && exec "$0" "$@"';
  const node = [process.execPath, "--input-type=module", "--eval", script];

  const { stdout } = await run("/usr/bin/unshare", [
    "--user",
    "--map-root-user",
    "/bin/sh",
    "-c",
    forbid,
    ...node,
  ]);

  expect(stdout).toMatch(
    /^BuilderError programs cannot be run in an empty root here: unshare: unshare failed: /,
  );
  expect(stdout).toContain("--without-empty-root");
});

test("a program that cannot run in the empty root is not the machine's fault", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "attune-build-"));
  const program = join(folder.path, "program");
  await writeFile(program, "#!/not/there\n", { mode: 0o755 });

  const failed = runInEmptyRoot({ program, args: [] });

  await expect(failed).rejects.toThrow("failed to execute /program");
  await expect(failed).rejects.not.toBeInstanceOf(BuilderError);
});
