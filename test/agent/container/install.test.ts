/** `install` as an init container calls it: in an otherwise empty image. */
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdtempDisposable, readFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import manifest from "../../../package.json" with { type: "json" };
import { repositoryRoot } from "../../../scripts/repository.ts";
import { type Docker, type Ended, openDocker } from "./docker.ts";
import { provideImage } from "./images.ts";

const executable = join(repositoryRoot, "dist/attune-sensor-agent");

let docker: Docker;
let empty: string;
beforeAll(async () => {
  if (!existsSync(executable)) throw new Error(`${executable} is not there; make it with: npm run build`);
  docker = await openDocker();
  empty = await provideImage(docker, "empty");
});
afterAll(async () => docker[Symbol.asyncDispose]());

async function installInto(directory: string, ...options: readonly string[]): Promise<Ended> {
  return runAgent(executable, ["install", directory], options);
}

async function runAgent(
  file: string,
  args: readonly string[],
  options: readonly string[] = [],
): Promise<Ended> {
  const mount = `--volume=${file}:/attune-sensor-agent:ro`;
  const entrypoint = "--entrypoint=/attune-sensor-agent";
  return docker.attempt("run", "--rm", "--network=none", mount, entrypoint, ...options, empty, ...args);
}

test("the executable and its version are in the volume, the same byte for byte", async () => {
  await using volume = await mkdtempDisposable(join(tmpdir(), "attune-volume-"));

  const { code, stdout } = await installInto("/target/agent", `--volume=${volume.path}:/target`);

  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: `installed /target/agent/attune-sensor-agent (${manifest.version})\n`,
  });
  const copy = join(volume.path, "agent/attune-sensor-agent");
  expect((await stat(copy)).mode & 0o777).toBe(0o755);
  expect((await readFile(copy)).equals(await readFile(executable))).toBe(true);
  expect(await readFile(`${copy}.version`, "utf8")).toBe(`${manifest.version}\n`);
});

test("a volume that forbids execution is the init container's error", async () => {
  const { code, stderr } = await installInto("/target", "--tmpfs=/target:noexec");

  expect(code).toBe(1);
  expect(stderr).toContain("could not run the copy in /target");
  expect(stderr).toContain("noexec");
  expect(stderr).toContain("[INSTALL_NOEXEC]");
});

test("a full volume is reported as such", async () => {
  const { code, stderr } = await installInto("/target", "--tmpfs=/target:exec,size=10m");

  expect(code).toBe(1);
  expect(stderr).toContain("ENOSPC");
  expect(stderr).toContain("free 140 MB on that volume");
});

test("a read-only volume is reported as such", async () => {
  const { code, stderr } = await installInto("/target", "--tmpfs=/target:ro");

  expect(code).toBe(1);
  expect(stderr).toContain("mount the volume writable");
});

test("a volume of another user is reported as such", async () => {
  const { code, stderr } = await installInto("/target", "--tmpfs=/target:exec,mode=700", "--user=65534");

  expect(code).toBe(1);
  expect(stderr).toContain("a user who may write there");
});

test("the file must be executable to start, and readable to install", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "attune-unreadable-"));
  const unreadable = join(folder.path, "agent");
  await copyFile(executable, unreadable);
  await chmod(unreadable, 0o711);
  const somebody = ["--user=65534", "--tmpfs=/target:exec,mode=777"];

  const started = await runAgent(unreadable, ["--detect-only", "--format=json"], somebody);
  const installed = await runAgent(unreadable, ["install", "/target"], somebody);

  expect(started).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(started.stdout)).toMatchObject({ runtimes: [] });
  expect(installed).toEqual({
    code: 1,
    stdout: "",
    stderr:
      "attune-sensor-agent: could not copy the executable into /target: this user may run the executable " +
      "but not read it; make it readable (chmod a+r), or install as a user who may read it [INSTALL_FAILED]\n",
  });
});
