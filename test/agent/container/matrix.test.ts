/**
 * Every image × every situation: the executable starts, runs JavaScript, starts children, and finds exactly
 * the interpreters that the image has.
 */
import { existsSync } from "node:fs";
import { lookup } from "node:dns/promises";
import { chmod, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { repositoryRoot } from "../../../scripts/repository.ts";
import { buildForeignLibrary } from "../../build/packed-probe.ts";
import { type FreshDatabase, freshDatabase } from "../../support/postgres.ts";
import { type Docker, openDocker } from "./docker.ts";
import { type ImageName, provideImage } from "./images.ts";

const executable = join(repositoryRoot, "dist/attune-sensor-agent");

/** Image to the interpreters in it, as the detection report names them. */
const images: Readonly<Record<ImageName, readonly string[]>> = {
  empty: [],
  busybox: ["shell"],
  musl: ["shell"],
  glibc: ["shell"],
  debian: ["shell", "perl"],
  python: ["shell", "python", "perl"],
  node: ["shell", "node", "perl"],
  ruby: ["shell", "ruby", "perl"],
  java: ["shell", "java", "perl"],
};

const place = "/opt/attune/agent/attune-sensor-agent";

/** Those of Debian; the others consist of a few files. */
const withTmp: ReadonlySet<string> = new Set(["debian", "python", "node", "ruby", "java"]);

/** A name that only the container's /etc/hosts knows. */
const databaseHost = "database.attune.test";

interface Situation {
  readonly options: readonly string[];
  /** Where the executable is, if not in its usual place. */
  readonly place?: string;
  /** What the container does not have, also where the image has it. Its own shell removes that. */
  readonly without?: "/tmp";
}

/** `/foreign` is a folder with what must have no effect: see beforeAll. */
const situations: Readonly<Record<string, Situation>> = {
  "as root, as process 1": { options: [] },
  "as another process than 1": { options: ["--init"] },
  "as nobody": { options: ["--user", "65534:65534"] },
  "with a read-only root": { options: ["--read-only"] },
  "without capabilities": { options: ["--cap-drop", "ALL"] },
  "without new privileges": { options: ["--security-opt", "no-new-privileges"] },
  "as strict as it goes": {
    options: "--user 65534 --read-only --cap-drop ALL --security-opt no-new-privileges".split(" "),
  },
  "without /tmp and HOME": { options: ["--env", "HOME=/nonexistent"], without: "/tmp" },
  "where /tmp may not be entered": { options: ["--tmpfs", "/tmp:mode=000", "--user", "65534"] },
  "with a foreign LD_PRELOAD": { options: ["--env", "LD_PRELOAD=/foreign/libforeign.so"] },
  "with a foreign LD_LIBRARY_PATH": { options: ["--env", "LD_LIBRARY_PATH=/foreign/libraries"] },
  "with foreign NODE_OPTIONS": { options: ["--env", "NODE_OPTIONS=--require /foreign/hook.js"] },
  "with a foreign NODE_REPL_EXTERNAL_MODULE": {
    options: ["--env", "NODE_REPL_EXTERNAL_MODULE=/foreign/hook.js"],
  },
  "with 64 descriptors": { options: ["--ulimit", "nofile=64:64"] },
  "with an odd LANG": { options: ["--env", "LANG=tlh_KX.KLINGON", "--env", "LC_ALL=C.none"] },
  "with a broken openssl.cnf": { options: ["--volume", "/foreign/openssl.cnf:/etc/ssl/openssl.cnf:ro"] },
  "from another path": { options: [], place: "/an odd/place/agent" },
};

let docker: Docker;
let database: FreshDatabase;
let foreign: Awaited<ReturnType<typeof mkdtempDisposable>>;

beforeAll(async () => {
  if (!existsSync(executable)) throw new Error(`${executable} is not there; make it with: npm run build`);
  docker = await openDocker();
  database = await freshDatabase();
  foreign = await mkdtempDisposable(join(tmpdir(), "attune-foreign-"));
  await chmod(foreign.path, 0o755);
  // Any of these, were it obeyed, would end the process with another exit code than 0.
  await buildForeignLibrary(join(foreign.path, "libforeign.so"));
  for (const name of ["libc.so.6", "libstdc++.so.6", "libnss_odd.so.2"]) {
    await buildForeignLibrary(join(foreign.path, "libraries", name));
  }
  await writeFile(join(foreign.path, "hook.js"), "process.exit(77);\n");
  await writeFile(join(foreign.path, "nsswitch.conf"), "passwd: odd compat\nhosts: odd resolve files dns\n");
  await writeFile(join(foreign.path, "openssl.cnf"), "[ broken\n");
});
afterAll(async () => {
  await foreign[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  await docker[Symbol.asyncDispose]();
});

describe.each(Object.entries(images))("in the image %s", (name, interpreters) => {
  let tag: string;
  beforeAll(async () => {
    // SAFETY of the name: it is a key of `images`.
    tag = await provideImage(docker, imageNamed(name));
  }, 600_000);

  test.each(Object.entries(situations))(
    "%s",
    async (_situation, { options, place: path = place, without }) => {
      const mounts = ["--volume", `${executable}:${path}:ro`, "--volume", `${foreign.path}:/foreign:ro`];
      const here = options.map((option) => option.replace(/^\/foreign\/(?=.*:)/, `${foreign.path}/`));

      const ended = await docker.attempt(
        "run",
        "--rm",
        "--network=none",
        ...mounts,
        ...here,
        ...(without !== undefined && withTmp.has(name)
          ? ["--entrypoint=/bin/sh", tag, "-c", `rm -r ${without} && exec "$0" "$@"`, path]
          : [`--entrypoint=${path}`, tag]),
        "--detect-only",
        "--format=json",
      );

      expect(ended).toMatchObject({ code: 0, stderr: "" });
      expect(JSON.parse(ended.stdout)).toMatchObject({ runtimes: interpreters });
    },
  );

  // Goal: whatever nsswitch.conf names, none of the image's libraries runs, and names are still resolved.
  // Method: `migrate`, the shortest command that looks one up; it finds nothing to do.
  test("with an odd nsswitch.conf", async () => {
    const url = new URL(database.url);
    const { address } = await lookup(url.hostname);
    url.hostname = databaseHost;

    const ended = await docker.attempt(
      "run",
      "--rm",
      // Of the private engine only this reaches the database.
      "--network=host",
      `--add-host=${databaseHost}:${address}`,
      `--volume=${executable}:${place}:ro`,
      `--volume=${foreign.path}/nsswitch.conf:/etc/nsswitch.conf:ro`,
      `--volume=${foreign.path}/libraries/libnss_odd.so.2:/lib/x86_64-linux-gnu/libnss_odd.so.2:ro`,
      `--env=ATTUNE__DATABASE__URL=${url.href}`,
      `--entrypoint=${place}`,
      tag,
      "migrate",
    );

    expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining(databaseHost) });
  });
});

function imageNamed(name: string): ImageName {
  const found = Object.keys(images).find((candidate): candidate is ImageName => candidate === name);
  if (found === undefined) throw new Error(`no image ${name}`);
  return found;
}
