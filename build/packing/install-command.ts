/**
 * How to get packages on Debian. A package for another kind of machine is named "libc6:arm64"; the package
 * manager has to be told of that architecture before, once, and has to fetch its lists.
 */
import { ownArchitecture } from "../architecture.ts";

/** As one types it. */
export function installCommand(packages: readonly string[]): string {
  const install = `apt-get install ${packages.join(" ")}`;
  const foreign = foreignArchitecture(packages);
  return foreign === undefined
    ? install
    : `dpkg --add-architecture ${foreign} && apt-get update && ${install}`;
}

/** The architecture of those that are for another kind of machine than this one; undefined if none is. */
export function foreignArchitecture(packages: readonly string[]): string | undefined {
  const named = packages.flatMap((name) => name.split(":").slice(1));
  return named.find((name) => name !== ownArchitecture?.debianName);
}
