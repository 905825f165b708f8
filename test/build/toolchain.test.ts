import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Architecture, architectures, ownArchitecture } from "../../build/architecture.ts";
import { BuilderError } from "../../build/builder-error.ts";
import { runInEmptyRoot } from "../../build/empty-root.ts";
import { findNode } from "../../build/node-binary.ts";
import { findEmulator, findLibrary, gzip, runTool, tar } from "../../build/toolchain.ts";
import { repositoryRoot } from "../../scripts/repository.ts";
import { run } from "./packed-probe.ts";

const { x64, arm64 } = architectures;
const foreign: Architecture = ownArchitecture === arm64 ? x64 : arm64;

describe("on a machine without any program", () => {
  beforeEach(() => void vi.stubEnv("PATH", "/nonexistent"));
  afterEach(() => void vi.unstubAllEnvs());

  const inEmptyRoot = { program: "/bin/true", args: [] };
  test.each([
    { what: "a compiler", use: () => runTool(arm64, "gcc", []), packages: "gcc-aarch64-linux-gnu" },
    { what: "a library", use: () => findLibrary(x64, "libc.so.6"), packages: "gcc-x86-64-linux-gnu" },
    { what: "an emulator", use: () => findEmulator(foreign), packages: "qemu-user-static" },
    { what: "tar", use: () => tar("/etc", ["passwd"]), packages: "tar" },
    { what: "gzip", use: () => gzip(Buffer.from("x")), packages: "gzip" },
    { what: "unshare", use: () => runInEmptyRoot(inEmptyRoot), packages: "util-linux" },
  ])("$what is said to be missing, with its package", async ({ use, packages }) => {
    const failed = Promise.try<unknown, []>(use);

    await expect(failed).rejects.toBeInstanceOf(BuilderError);
    await expect(failed).rejects.toThrow(
      `is missing on this machine; on Debian or Ubuntu: apt-get install ${packages}`,
    );
  });

  test("Node for another kind of machine cannot be fetched, and that is said", async () => {
    await using cache = await mkdtempDisposable(join(tmpdir(), "attune-cache-"));
    vi.stubEnv("XDG_CACHE_HOME", cache.path);

    const failed = findNode(repositoryRoot, foreign);

    await expect(failed).rejects.toBeInstanceOf(BuilderError);
    await expect(failed).rejects.toThrow(/^npm could not fetch node-linux-.*see that npm is installed/);
  });
});

test("programs for this kind of machine need no emulator", () => {
  expect(ownArchitecture && findEmulator(ownArchitecture)).toBeUndefined();
});

// In a process of its own, whose kernel allows it no mount namespaces.
test("where namespaces are forbidden, what to do is said", async () => {
  const script = `
    import { runInEmptyRoot } from ${JSON.stringify(join(repositoryRoot, "build/empty-root.ts"))};
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
    /^BuilderError no program can be tried out in an empty root here: unshare: unshare failed: /,
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
