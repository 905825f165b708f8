import { cp, mkdir, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { architectures } from "../../build/architecture.ts";
import { collectComponents } from "../../build/papers/components.ts";
import { databaseComponents } from "../../build/papers/database-components.ts";
import { licenceText } from "../../build/papers/licences.ts";
import { repositoryRoot } from "../../scripts/repository.ts";

const pglite = join(repositoryRoot, "node_modules/@electric-sql/pglite");

test("what is linked into the embedded database is among the components, with its release and notice", async () => {
  const components = await collectComponents({
    repository: repositoryRoot,
    architecture: architectures.x64,
    metafiles: [],
  });

  const versions = new Map(components.map(({ name, version }) => [name, version]));
  const release: unknown = expect.stringMatching(/^\d+\.\d+/);
  expect(Object.fromEntries(versions)).toMatchObject({
    postgresql: release,
    icu: release,
    zlib: release,
    emscripten: release,
  });
  // Nothing in the file tells the release of these.
  for (const name of ["libxml2", "musl", "llvm-runtime-libraries"])
    expect([...versions.keys()]).toContain(name);
  const text = licenceText(components);
  for (const holder of [
    "PostgreSQL Global Development Group",
    "Henry Spencer",
    "Martin Porter",
    "2016-2024 Unicode, Inc.",
    "1998-2012 Daniel Veillard",
    "Emscripten authors",
    "Rich Felker",
    "LLVM Exceptions",
  ]) {
    expect(text).toContain(holder);
  }
  expect(text).not.toContain("undefined");
});

test("an embedded database that is configured with another library needs to be looked into", async () => {
  await using changed = await mkdtempDisposable(join(tmpdir(), "attune-build-"));
  await mkdir(join(changed.path, "dist"));
  for (const file of ["pglite.js", "pglite.data"]) {
    await cp(join(pglite, "dist", file), join(changed.path, "dist", file));
  }
  const program = await readFile(join(pglite, "dist/pglite.wasm"), "latin1");
  const withOpenssl = program.replace("'--with-openssl=no'", "'--with-openssl'");
  await writeFile(join(changed.path, "dist/pglite.wasm"), withOpenssl, "latin1");

  await expect(databaseComponents(changed.path)).rejects.toThrow("configured with other libraries");
});
