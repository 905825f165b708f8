/**
 * The C libraries inside the executable: whose they are, which release, and on what terms.
 *
 * They are Debian's builds of two sources. glibc is under the LGPL, of which the executable is a "work that
 * uses the library" with a changed copy in it; so the notice says what is changed and where the source is,
 * and build/ is how anybody makes the executable anew with libraries of their own. GCC's are under the GPL
 * with the runtime library exception.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { Architecture } from "./architecture.ts";
import { missingFromMachine } from "./builder-error.ts";
import type { Component } from "./components.ts";

const commonLicences = "/usr/share/common-licenses";

export async function libraryComponents(architecture: Architecture): Promise<Component[]> {
  const { glibc, gcc } = architecture.libraryPackages;
  return [
    await libraryComponent(architecture, {
      name: "glibc",
      debianPackage: glibc,
      source: /\b(glibc) \(= (\S+)\)/,
      licence: "LGPL-2.1-or-later",
      licenceFiles: ["LGPL-2.1"],
      change:
        "In the copy of its loader, the paths under which it looks for other libraries are changed so that it finds none (build/quiet-loader.ts).",
    }),
    await libraryComponent(architecture, {
      name: "gcc-runtime-libraries",
      debianPackage: gcc,
      source: /\b(gcc-\d+) \(= (\S+)\)/,
      licence: "GPL-3.0-or-later WITH GCC-exception-3.1",
      licenceFiles: ["GPL-3"],
      change: "libstdc++, libgcc_s and libatomic are as Debian ships them.",
    }),
  ];
}

interface LibrarySource {
  readonly name: string;
  readonly debianPackage: string;
  /** How Debian names the source and its version. */
  readonly source: RegExp;
  readonly licence: string;
  readonly licenceFiles: readonly string[];
  readonly change: string;
}

async function libraryComponent(
  architecture: Architecture,
  { name, debianPackage, source, licence, licenceFiles, change }: LibrarySource,
): Promise<Component> {
  const installed = queryDebian(architecture, debianPackage);
  const [sourceName, version] = sourceOf(installed, source);
  const files = [
    `/usr/share/doc/${debianPackage}/copyright`,
    ...licenceFiles.map((file) => `${commonLicences}/${file}`),
  ];
  const texts = await Promise.all(files.map(async (file) => readFile(file, "utf8")));
  return {
    name,
    version,
    kind: "library",
    licence,
    notice: texts.join("\n").trim(),
    purl: `pkg:deb/debian/${sourceName}@${encodeURIComponent(version)}?arch=source&distro=debian-12`,
    remark: `${change} From Debian's package ${debianPackage} ${installed.version}. Source: Debian's source package ${sourceName} ${version} (apt-get source ${sourceName}=${version}, or snapshot.debian.org).`,
  };
}

interface Installed {
  readonly version: string;
  /** "name (= version)" of its source, and of others that it was built from, as cross packages are. */
  readonly sources: string;
}

function queryDebian(architecture: Architecture, debianPackage: string): Installed {
  const format = "${Version}\n${Built-Using}, ${source:Package} (= ${source:Version})";
  try {
    const answer = execFileSync("dpkg-query", ["--show", `--showformat=${format}`, debianPackage], {
      encoding: "utf8",
    });
    const [version = "", sources = ""] = answer.split("\n");
    return { version, sources };
  } catch {
    throw missingFromMachine(`Debian's package ${debianPackage}`, architecture.debianPackages);
  }
}

function sourceOf({ sources }: Installed, source: RegExp): readonly [name: string, version: string] {
  const [, name, version] = source.exec(sources) ?? [];
  assert(name !== undefined && version !== undefined, `no source ${source} among: ${sources}`);
  return [name, version];
}
