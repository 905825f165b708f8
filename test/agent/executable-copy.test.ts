import { mkdir, mkdtempDisposable, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";
import { copyExecutable } from "../../src/agent/executable-copy.ts";

async function workspace() {
  const directory = await mkdtempDisposable(join(tmpdir(), "attune-install-"));
  const program = async (text: string): Promise<string> => {
    const path = join(directory.path, "program");
    await writeFile(path, text);
    return path;
  };
  return {
    program,
    target: join(directory.path, "deep/agent"),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const saying = (version: string) => `#!/bin/sh\necho attune-sensor-agent ${version}\n`;

test("the copy and its version file exist, and do not inherit the source's mode", async () => {
  await using space = await workspace();
  const source = await space.program(saying("1.2.3"));

  const path = await copyExecutable({ source, directory: space.target, version: "1.2.3" });

  expect(path).toBe(join(space.target, "attune-sensor-agent"));
  expect((await stat(path)).mode & 0o777).toBe(0o755);
  expect(await readFile(path, "utf8")).toBe(saying("1.2.3"));
  expect(await readFile(`${path}.version`, "utf8")).toBe("1.2.3\n");
  expect((await stat(`${path}.version`)).mode & 0o777).toBe(0o644);
});

test("every user can reach, read and run the copy, whatever the umask", async () => {
  await using space = await workspace();
  const source = await space.program(saying("1.2.3"));

  const withUmask = ["sh", "-c", 'umask 077; exec "$0" "$@"'];
  const { status, stdout } = copyElsewhere({ source, directory: space.target }, withUmask);

  expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
  const copy = join(space.target, "attune-sensor-agent");
  const places = [dirname(space.target), space.target, copy, `${copy}.version`];
  const modes = await Promise.all(places.map(async (path) => (await stat(path)).mode & 0o777));
  expect(modes).toEqual([0o755, 0o755, 0o755, 0o644]);
});

test("a folder may be relative to the current one, or be the current one", async () => {
  await using space = await workspace();
  const source = await space.program(saying("1.2.3"));
  await mkdir(space.target, { recursive: true });
  const directory = relative(process.cwd(), space.target);

  await copyExecutable({ source, directory, version: "1.2.3" });
  const there = ["sh", "-c", `cd '${space.target}' && exec "$0" "$@"`];
  const { status, stdout } = copyElsewhere({ source, directory: "." }, there);

  expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
});

test("a newer version takes the older one's place", async () => {
  await using space = await workspace();
  await copyExecutable({
    source: await space.program(saying("1.0.0")),
    directory: space.target,
    version: "1.0.0",
  });

  await copyExecutable({
    source: await space.program(saying("2.0.0")),
    directory: space.target,
    version: "2.0.0",
  });

  expect(await readFile(join(space.target, "attune-sensor-agent"), "utf8")).toBe(saying("2.0.0"));
  expect(await readFile(join(space.target, "attune-sensor-agent.version"), "utf8")).toBe("2.0.0\n");
});

// Goal: init containers of one volume do not disturb each other.
// Method: eight at the same moment; each must succeed, and nothing but the result may remain.
test("concurrent installations all succeed and leave nothing else behind", async () => {
  await using space = await workspace();
  const source = await space.program(saying("1.2.3"));

  await Promise.all(
    Array.from({ length: 8 }, async () =>
      copyExecutable({ source, directory: space.target, version: "1.2.3" }),
    ),
  );

  expect((await readdir(space.target)).toSorted()).toEqual([
    "attune-sensor-agent",
    "attune-sensor-agent.version",
  ]);
});

test("a copy that does not run is refused with its output, and the earlier one stays", async () => {
  await using space = await workspace();
  const source = await space.program(saying("1.0.0"));
  await copyExecutable({ source, directory: space.target, version: "1.0.0" });
  await space.program("#!/bin/sh\necho no memory here >&2; exit 104\n");

  const failed = copyExecutable({ source, directory: space.target, version: "2.0.0" });

  await expect(failed).rejects.toMatchObject({ code: "INSTALL_NOT_EXECUTABLE", reason: "no memory here" });
  expect(await readFile(join(space.target, "attune-sensor-agent"), "utf8")).toBe(saying("1.0.0"));
  expect(await readdir(space.target)).toHaveLength(2);
});

test("a program for another architecture is reported as such, whatever a shell does with it", async () => {
  await using space = await workspace();
  const source = await space.program("");
  const bytes = await readFile("/bin/true");
  const [machine, number] = process.arch === "arm64" ? ["x64", 62] : ["arm64", 183];
  bytes.writeUInt16LE(number, 18);
  await writeFile(source, bytes);

  const failed = copyExecutable({ source, directory: space.target, version: "1.2.3" });

  await expect(failed).rejects.toMatchObject({
    code: "INSTALL_WRONG_MACHINE",
    message:
      `could not run the copy in ${space.target}: it is a program for ${machine}, which this machine cannot run; ` +
      "use the image for this kind of machine",
  });
  expect(await readdir(space.target)).toEqual([]);
});

// As when the agent itself runs under an emulator that the kernel does not know: its own kind is foreign here.
test("a file that the kernel does not accept as a program is reported as such", async () => {
  await using space = await workspace();
  const source = await space.program("");
  const bytes = await readFile("/bin/true");
  // The kernel wants a program or a shared object (e_type 2 or 3).
  bytes.writeUInt16LE(1, 16);
  await writeFile(source, bytes);

  const failed = copyExecutable({ source, directory: space.target, version: "1.2.3" });

  await expect(failed).rejects.toMatchObject({
    code: "INSTALL_WRONG_MACHINE",
    reason: `it is a program for ${process.arch}, which this machine cannot run`,
  });
});

test("a program that its loader rejects is refused with the loader's message", async () => {
  await using space = await workspace();
  const source = await space.program("");
  const bytes = await readFile("/bin/true");
  bytes.write("libq.so.6", bytes.indexOf("libc.so.6"));
  await writeFile(source, bytes);

  const failed = copyExecutable({ source, directory: space.target, version: "1.2.3" });

  await expect(failed).rejects.toMatchObject({
    code: "INSTALL_NOT_EXECUTABLE",
    reason: expect.stringContaining("loading shared libraries: libq.so.6"),
  });
});

test("a file in place of a folder is reported as such", async () => {
  await using space = await workspace();
  const source = await space.program(saying("1.2.3"));

  const failed = copyExecutable({ source, directory: join(source, "agent"), version: "1.2.3" });

  await expect(failed).rejects.toMatchObject({ code: "INSTALL_FAILED" });
  await expect(failed).rejects.toThrow("part of this path is a file");
});

// In a process of its own: what the copy once did in /proc could not be stopped from within.
test("a folder that cannot be created is an error, not an endless loop", () => {
  const { status, stdout } = copyElsewhere({ directory: "/proc/attune/agent" });

  expect({ status, stdout }).toEqual({
    status: 0,
    stdout:
      "could not copy the executable into /proc/attune/agent: ENOENT: no such file or directory, mkdir '/proc/attune'; " +
      "name a folder on a volume; this one takes no files (like /proc)\n",
  });
});

test("a read-only volume is reported as such, however deep the folder", async () => {
  await using volume = await mkdtempDisposable(join(tmpdir(), "attune-volume-"));
  const readOnly = ["--user", "--map-root-user", "--mount", "sh", "-c"];
  const script = `mount -t tmpfs -o ro none "$0" && exec "$@"`;

  const { stdout } = copyElsewhere({ directory: join(volume.path, "deep/agent") }, [
    "unshare",
    ...readOnly,
    script,
    volume.path,
  ]);

  expect(stdout).toContain(`EROFS: read-only file system, mkdir '${join(volume.path, "deep")}'`);
  expect(stdout).toContain("mount the volume writable");
});

test("a volume that forbids execution is reported as such", async () => {
  await using volume = await mkdtempDisposable(join(tmpdir(), "attune-volume-"));
  const ownMounts = ["unshare", "--user", "--map-root-user", "--mount"];
  const script = `mount -t tmpfs -o noexec none "$0" && exec "$@"`;

  const { stdout } = copyElsewhere({ directory: volume.path }, [
    ...ownMounts,
    "sh",
    "-c",
    script,
    volume.path,
  ]);

  expect(stdout).toBe(
    `could not run the copy in ${volume.path}: the kernel refuses to execute it; the file system may be mounted noexec; ` +
      "mount a volume there that allows execution\n",
  );
});

/** Copies a program from a process of its own, which the wrapper starts and which prints why it failed. */
function copyElsewhere(
  { source = "/bin/true", directory }: { readonly source?: string; readonly directory: string },
  [wrapper, ...options]: readonly string[] = [],
) {
  const module = new URL("../../src/agent/executable-copy.ts", import.meta.url).href;
  const script = `
    import { copyExecutable } from ${JSON.stringify(module)};
    const copy = ${JSON.stringify({ source, directory, version: "1.2.3" })};
    await copyExecutable(copy).catch(({ message }) => console.log(message));`;
  const node = [process.execPath, "--input-type=module", "--eval", script] as const;
  const [file, ...args] = wrapper === undefined ? node : [wrapper, ...options, ...node];
  return spawnSync(file, args, { encoding: "utf8", timeout: 10_000, killSignal: "SIGKILL" });
}

test("leftovers of a killed installation are removed, files of a running one are not", async () => {
  await using space = await workspace();
  const source = await space.program(saying("1.2.3"));
  await mkdir(space.target, { recursive: true });
  const abandoned = join(space.target, ".attune-sensor-agent.7.a");
  const inUse = join(space.target, ".attune-sensor-agent.8.b");
  await writeFile(abandoned, "");
  await writeFile(inUse, "");
  const anHourAgo = new Date(Date.now() - 3_600_000);
  await utimes(abandoned, anHourAgo, anHourAgo);

  await copyExecutable({ source, directory: space.target, version: "1.2.3" });

  expect(await readdir(space.target)).not.toContain(".attune-sensor-agent.7.a");
  expect(await readdir(space.target)).toContain(".attune-sensor-agent.8.b");
});
