/**
 * The C libraries for the executable: Debian's, for the target architecture, as installed on the build machine.
 *
 * Debian installs the libraries of several architectures side by side and keeps them at one version, so upgrading
 * the machine brings the security updates for all of them. The libraries of a cross compiler (libc6-arm64-cross)
 * get none, and the compiler would find those first, so it is not asked for library paths.
 */
import { execFileSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { basename } from "node:path";
import { type Architecture, libraryPackages } from "../architecture.ts";
import { type BuilderError, missingFromMachine } from "../builder-error.ts";

/** The path of a library, with links resolved. */
export function findLibrary(architecture: Architecture, name: string): string {
  const files = queryDebian(architecture, ["--listfiles", ...libraryPackages(architecture)]).split("\n");
  const file = files.find((path) => basename(path) === name);
  if (file === undefined) throw missingLibraries(architecture);
  return realpathSync(file);
}

export interface DebianPackage {
  readonly version: string;
  /** The source package that it was built from. */
  readonly source: { readonly name: string; readonly version: string };
}

export function findLibraryPackage(architecture: Architecture, name: "libc6" | "libstdc++6"): DebianPackage {
  const format = "${Version}\n${source:Package}\n${source:Version}";
  const args = ["--show", `--showformat=${format}`, `${name}:${architecture.debianName}`];
  const [version = "", sourceName = "", sourceVersion = ""] = queryDebian(architecture, args).split("\n");
  return { version, source: { name: sourceName, version: sourceVersion } };
}

function queryDebian(architecture: Architecture, args: readonly string[]): string {
  try {
    return execFileSync("dpkg-query", args, { encoding: "utf8", stdio: "pipe" });
  } catch {
    // The package, or dpkg-query itself, is not installed.
    throw missingLibraries(architecture);
  }
}

function missingLibraries({ name, debianPackages }: Architecture): BuilderError {
  return missingFromMachine(`Debian's C library for ${name}`, debianPackages);
}
