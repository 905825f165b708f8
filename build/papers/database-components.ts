/**
 * The libraries linked into the embedded database, which npm treats as one package with one licence.
 *
 * WebAssembly does not list its libraries, so each is recognised by a string in the program, with its version if
 * there is one. The program also contains PostgreSQL's configure options. If these change, there may be more
 * libraries than listed here, so the build fails until somebody has checked. Of the options' libraries, OpenSSL
 * (off), libxslt and uuid (for extensions that are left out) are not linked.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Component } from "./components.ts";

interface Part {
  readonly name: string;
  readonly licence: string;
  /** Matches a string of the library; the first group is its version. */
  readonly trace: RegExp;
  /** A file in build/papers/notices; if undefined, the notice is among the package's files. */
  readonly notice?: string;
  /** A package URL without version. */
  readonly purl: string;
  readonly remark: string;
}

const where = "Linked into the embedded database's WebAssembly.";

const parts: readonly Part[] = [
  {
    name: "postgresql",
    licence: "PostgreSQL AND Spencer-99 AND TCL AND BSD-3-Clause AND MIT",
    trace: /PostgreSQL ([\d.]+) \(PGlite/,
    notice: "postgresql.txt",
    purl: "pkg:github/electric-sql/postgres-pglite",
    remark: `PGlite's variant of it, the embedded database itself. Source: github.com/electric-sql/postgres-pglite.`,
  },
  {
    name: "icu",
    licence: "Unicode-3.0",
    trace: /\/share\/icu\/([\d.]+)\0/,
    purl: "pkg:github/unicode-org/icu",
    remark: where,
  },
  {
    name: "libxml2",
    licence: "MIT AND ISC",
    trace: /xmlParseStartTag: invalid element name/,
    notice: "libxml2.txt",
    purl: "pkg:generic/libxml2",
    remark: where,
  },
  {
    name: "zlib",
    licence: "Zlib",
    trace: /\0(1\.\d\.\d+(?:\.\d+)?)\0/,
    notice: "zlib.txt",
    purl: "pkg:generic/zlib",
    remark: where,
  },
  {
    name: "emscripten",
    licence: "MIT",
    trace: /emulating GNU ld\) ([\d.]+) /,
    notice: "emscripten.txt",
    purl: "pkg:github/emscripten-core/emscripten",
    remark: `${where} Its compiler, and what that adds to every program.`,
  },
  {
    name: "musl",
    licence: "MIT AND BSD-2-Clause",
    trace: /\0Illegal byte sequence\0Domain error\0Result not representable\0/,
    notice: "musl.txt",
    purl: "pkg:generic/musl",
    remark: `${where} Emscripten's C library.`,
  },
  {
    name: "llvm-runtime-libraries",
    licence: "Apache-2.0 WITH LLVM-exception",
    trace: /\/system\/lib\/libcxxabi\//,
    notice: "llvm.txt",
    purl: "pkg:github/llvm/llvm-project",
    remark: `${where} compiler-rt, libc++ and libc++abi, as Emscripten has them.`,
  },
];

const configuredWith = [
  "--with-icu",
  "--with-includes",
  "--with-libraries",
  "--with-libxml",
  "--with-libxslt",
  "--with-openssl=no",
  "--with-template",
  "--with-uuid",
  "--with-zlib",
];

/** @param directory the package's folder */
export async function databaseComponents(directory: string): Promise<Component[]> {
  const files = join(directory, "dist");
  const program = await readFile(join(files, "pglite.wasm"), "latin1");
  verifyConfiguration(program);
  return await Promise.all(
    parts.map(async ({ name, licence, trace, notice, purl, remark }) => {
      const found = trace.exec(program);
      assert(
        found !== null,
        `the embedded database has no trace of ${name}: see build/papers/database-components.ts`,
      );
      const text =
        notice === undefined
          ? await icuNotice(files)
          : await readFile(join(import.meta.dirname, "notices", notice), "utf8");
      const version = found[1];
      return {
        name,
        ...(version === undefined ? {} : { version }),
        kind: "library" as const,
        licence,
        notice: text.trim(),
        purl: version === undefined ? purl : `${purl}@${version}`,
        remark,
      };
    }),
  );
}

function verifyConfiguration(program: string): void {
  const options = program.match(/'--with-[^']+'/g) ?? [];
  const names = options.map((option) =>
    option.slice(1, -1).replace(/^(--with-(?:includes|libraries|template|uuid))=.*/, "$1"),
  );
  assert.deepEqual(
    names.toSorted(),
    configuredWith,
    "the embedded database is configured with other libraries: check what it contains, and update build/papers/database-components.ts",
  );
}

/** ICU's licence is in the database's virtual file system, a single file with a table of contents in the script. */
async function icuNotice(files: string): Promise<string> {
  const script = await readFile(join(files, "pglite.js"), "utf8");
  const place = /filename:"\/pglite\/icu\/LICENSE",start:([\de]+),end:([\de]+)/.exec(script);
  assert(place !== null, "the embedded database's files no longer hold ICU's licence");
  const content = await readFile(join(files, "pglite.data"));
  return content.subarray(Number(place[1]), Number(place[2])).toString("utf8");
}
