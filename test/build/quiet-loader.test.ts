/** None of the image's files get into the process, see build/packing/quiet-loader.ts. */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { quietLoader } from "../../build/packing/quiet-loader.ts";
import {
  buildForeignLibrary,
  type Ended,
  packProbe,
  type PackedProbe,
  runAsProcess1,
} from "./packed-probe.ts";

let packed: PackedProbe;
beforeAll(async () => {
  packed = await packProbe("fixed");
  const library = join(packed.root, "lib/libforeign.so");
  await buildForeignLibrary(library);
  await mkdir(join(packed.root, "lib/x86_64-linux-gnu"), { recursive: true });
  await mkdir(join(packed.root, "etc"), { recursive: true });
  for (const place of ["lib", "lib/x86_64-linux-gnu"]) {
    await copyFile(library, join(packed.root, place, "libnss_odd.so.2"));
  }
  await writeFile(join(packed.root, "etc/hosts"), "10.1.2.3 somewhere\n");
});
afterAll(async () => packed[Symbol.asyncDispose]());

async function lookUp(name: string, files: Readonly<Record<string, string>>): Promise<Ended> {
  for (const [path, text] of Object.entries(files)) await writeFile(join(packed.root, path), text);
  return runAsProcess1(packed, ["/probe", "look-up", name]);
}

test.each([
  "hosts: odd files dns",
  "hosts: odd [NOTFOUND=return] files",
  "hosts: resolve [!UNAVAIL=return] files",
  "hosts: nothing-like-it files",
  "hosts files \0 garbage",
  "",
])("names are resolved with nsswitch.conf saying %j, and no plug-in of the image's is run", async (line) => {
  const ended = await lookUp("somewhere", { "etc/nsswitch.conf": `${line}\n` });

  expect(ended).toMatchObject({ code: 0, stdout: "found\n", stderr: "" });
});

test("what /etc/ld.so.preload names is not loaded", async () => {
  const ended = await lookUp("somewhere", {
    "etc/ld.so.preload": "/lib/libforeign.so\n",
    "etc/nsswitch.conf": "hosts: files\n",
  });

  expect(ended).toMatchObject({ code: 0, stdout: "found\n", stderr: "" });
});

test("a damaged /etc/ld.so.cache is not read", async () => {
  const ended = await lookUp("somewhere", {
    "etc/ld.so.cache": "glibc-ld.so.cache1.1garbage".repeat(100),
    "etc/nsswitch.conf": "hosts: odd files\n",
  });

  expect(ended).toMatchObject({ code: 0, stdout: "found\n", stderr: "" });
});

test("a loader that the build does not know is refused", () => {
  expect(() => quietLoader(Buffer.from("no such strings"))).toThrow("a glibc that this build does not know");
});
