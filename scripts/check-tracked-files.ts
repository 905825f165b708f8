/** Fails if a tracked file contains the address of a package registry or a path on one machine. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hasCode } from "../src/errors/caught.ts";
import { repositoryRoot } from "./repository.ts";
import { trackedFileComplaints } from "./tracked-files/tracked-file-complaints.ts";

const complaints = trackedPaths().flatMap((path) => {
  const text = readIfThere(join(repositoryRoot, path));
  return text === undefined ? [] : trackedFileComplaints({ path, text }, repositoryRoot);
});

for (const complaint of complaints) process.stderr.write(`${complaint}\n`);
process.exitCode = complaints.length === 0 ? 0 : 1;

function trackedPaths(): string[] {
  // safe.directory, because the checkout may belong to another user.
  const args = ["-c", "safe.directory=*", "ls-files", "-z"];
  const { status, stdout, stderr, error } = spawnSync("git", args, { cwd: repositoryRoot, encoding: "utf8" });
  if (status !== 0) throw new Error(`could not list the tracked files: ${error?.message ?? stderr}`);
  return stdout.split("\0").filter((path) => path !== "");
}

/** Undefined for a tracked file whose deletion is not committed yet. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}
