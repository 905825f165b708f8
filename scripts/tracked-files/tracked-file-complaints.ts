/**
 * Finds what tracked files must not contain: addresses of package registries (a setting of each machine), and paths
 * of checkouts and home folders.
 */

export interface TrackedFile {
  /** Relative to the repository. */
  readonly path: string;
  readonly text: string;
}

const registryAddress =
  /https?:\/\/[^\s"'`)>]*\b(?:registry|npmjs|npmmirror|yarnpkg|artifactory|nexus)\b[^\s"'`)>]*/i;
const homeFolder = /(?:^|[\s"'`(=:])\/(?:home|Users)\/[\w.-]+\//;

/** @param checkout the absolute path of this checkout */
export function trackedFileComplaints(file: TrackedFile, checkout: string): string[] {
  const complaints: string[] = [];
  const complain = (offset: number, about: string): void => {
    complaints.push(`${file.path}:${file.text.slice(0, offset).split("\n").length} ${about}`);
  };

  const registry = registryAddress.exec(file.text);
  if (registry !== null) complain(registry.index, "names a package registry");

  const home = homeFolder.exec(file.text);
  if (home !== null) complain(home.index, "names a home folder");

  // The path of a checkout at /src or /app would match too often.
  const isTelling = checkout.split("/").length > 2;
  const machinePath = isTelling ? file.text.indexOf(checkout) : -1;
  if (machinePath !== -1) complain(machinePath, "names the folder of this checkout");

  if (file.path === "package-lock.json") {
    const resolved = file.text.indexOf('"resolved":');
    if (resolved !== -1) complain(resolved, "says where a package was downloaded from");
  }
  return complaints;
}
