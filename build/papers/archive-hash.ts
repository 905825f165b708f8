import assert from "node:assert/strict";
import lockfile from "../../package-lock.json" with { type: "json" };
import { integrity as pinned } from "../node/node-binary.ts";

const locked = new Map(
  Object.entries(lockfile.packages).map(([folder, entry]) => [
    folder,
    "integrity" in entry ? entry.integrity : undefined,
  ]),
);

/**
 * sha512 of an npm package's archive in the registry, in hexadecimal: from the lockfile, or from
 * build/node/node-binary.ts for the package that npm does not install.
 */
export function archiveHash(folder: string, id: string): string {
  const [, digest] = /^sha512-(\S+)$/.exec(locked.get(folder) ?? pinned[id] ?? "") ?? [];
  assert(
    digest !== undefined,
    `neither package-lock.json nor build/node/node-binary.ts has the sha512 of ${id}`,
  );
  return Buffer.from(digest, "base64").toString("hex");
}
