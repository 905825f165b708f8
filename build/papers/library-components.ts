/**
 * The C libraries inside the executable, with their versions and licences.
 *
 * They are Debian's builds of two sources. glibc is under the LGPL; in its terms, the executable is a "work that uses
 * the library" and contains a changed copy. So the notice describes the change and the location of the source, and
 * with build/ anyone can rebuild the executable with their own libraries. GCC's libraries are under the GPL with the
 * runtime library exception.
 */
import { readFile } from "node:fs/promises";
import type { Architecture } from "../architecture.ts";
import type { Component } from "./components.ts";
import { findLibraryPackage } from "../node/debian-libraries.ts";

const commonLicences = "/usr/share/common-licenses";

export async function libraryComponents(architecture: Architecture): Promise<Component[]> {
  return [
    await libraryComponent(architecture, {
      name: "glibc",
      debianPackage: "libc6",
      licence: "LGPL-2.1-or-later",
      licenceFiles: ["LGPL-2.1"],
      change:
        "In the copy of its loader, the paths under which it looks for other libraries are changed so that it finds none (build/packing/quiet-loader.ts).",
    }),
    await libraryComponent(architecture, {
      name: "gcc-runtime-libraries",
      debianPackage: "libstdc++6",
      licence: "GPL-3.0-or-later WITH GCC-exception-3.1",
      licenceFiles: ["GPL-3"],
      change: "libstdc++, libgcc_s and libatomic are as Debian ships them.",
    }),
  ];
}

interface LibrarySource {
  readonly name: string;
  readonly debianPackage: "libc6" | "libstdc++6";
  readonly licence: string;
  readonly licenceFiles: readonly string[];
  readonly change: string;
}

async function libraryComponent(
  architecture: Architecture,
  { name, debianPackage, licence, licenceFiles, change }: LibrarySource,
): Promise<Component> {
  const { version: packageVersion, source } = findLibraryPackage(architecture, debianPackage);
  const files = [
    `/usr/share/doc/${debianPackage}/copyright`,
    ...licenceFiles.map((file) => `${commonLicences}/${file}`),
  ];
  const texts = await Promise.all(files.map(async (file) => readFile(file, "utf8")));
  return {
    name,
    version: source.version,
    kind: "library",
    licence,
    notice: texts.join("\n").trim(),
    purl: `pkg:deb/debian/${source.name}@${encodeURIComponent(source.version)}?arch=source&distro=debian-12`,
    remark: `${change} From Debian's package ${debianPackage} ${packageVersion}. Source: Debian's source package ${source.name} ${source.version} (apt-get source ${source.name}=${source.version}, or snapshot.debian.org).`,
  };
}
