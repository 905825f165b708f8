/**
 * How to install packages on Debian. A package for another architecture is named like "libc6:arm64"; that
 * architecture must first be added to the package manager, which must then fetch its package lists.
 */
import { ownArchitecture } from "../architecture.ts";

/** The shell command that installs the packages. */
export function installCommand(packages: readonly string[]): string {
  const install = `apt-get install ${packages.join(" ")}`;
  const foreign = foreignArchitecture(packages);
  return foreign === undefined
    ? install
    : `dpkg --add-architecture ${foreign} && apt-get update && ${install}`;
}

/** The architecture of packages that are not for this machine's; undefined if there are none. */
export function foreignArchitecture(packages: readonly string[]): string | undefined {
  const named = packages.flatMap((name) => name.split(":").slice(1));
  return named.find((name) => name !== ownArchitecture?.debianName);
}
