/**
 * The programs that the build runs, and what it says when one is missing.
 */
import { execFileSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { isAbsolute } from "node:path";
import type { Architecture } from "./architecture.ts";

/** Says what this machine lacks and how to get it. */
export class MissingFromMachine extends Error {
  override readonly name = "MissingFromMachine";

  constructor(what: string, packages: readonly string[]) {
    super(`${what} is missing on this machine; on Debian or Ubuntu: apt-get install ${packages.join(" ")}`);
  }
}

export function runTool(
  architecture: Architecture,
  tool: "gcc" | "strip" | "objcopy",
  args: readonly string[],
): string {
  const file = `${architecture.toolPrefix}${tool}`;
  try {
    return execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  } catch (error) {
    if (isMissing(error)) throw new MissingFromMachine(file, architecture.debianPackages);
    throw new Error(`${file} failed: ${args.join(" ")}`, { cause: error });
  }
}

/** Where the compiler for that architecture finds a library: its real file. */
export function findLibrary(architecture: Architecture, name: string): string {
  const answer = runTool(architecture, "gcc", [`-print-file-name=${name}`]).trim();
  // Of what it does not know, gcc returns the bare name.
  if (!isAbsolute(answer) || !existsSync(answer)) {
    throw new MissingFromMachine(`${name} for ${architecture.name}`, architecture.debianPackages);
  }
  return realpathSync(answer);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
