/**
 * Runs the programs that the build needs, and reports missing ones.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { hasCode } from "../src/errors/caught.ts";
import { type Architecture, ownArchitecture } from "./architecture.ts";
import { BuilderError, missingFromMachine } from "./builder-error.ts";

export function runTool(
  architecture: Architecture,
  tool: "gcc" | "strip" | "objcopy",
  args: readonly string[],
): string {
  const file = `${architecture.toolPrefix}${tool}`;
  try {
    return execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  } catch (error) {
    if (isMissing(error)) throw missingFromMachine(file, architecture.debianPackages);
    throw new Error(`${file} failed: ${args.join(" ")}`, { cause: error });
  }
}

/** The path of an emulator for the architecture's programs; undefined if they run natively. */
export function findEmulator(architecture: Architecture): string | undefined {
  if (architecture === ownArchitecture) return undefined;
  const folders = (process.env["PATH"] ?? "").split(":");
  const found = folders.map((folder) => join(folder, architecture.emulator)).find((path) => existsSync(path));
  if (found === undefined) throw missingFromMachine(architecture.emulator, ["qemu-user-static"]);
  return found;
}

/** An archive of files in a folder, owned by root. */
export function tar(directory: string, files: readonly string[]): Buffer {
  const owner = ["--owner=0", "--group=0", "--numeric-owner"];
  return layerTool("tar", ["--create", ...owner, "--directory", directory, ...files]);
}

/** The bytes compressed with gzip. */
export function gzip(bytes: Buffer): Buffer {
  return layerTool("gzip", ["-6"], bytes);
}

function layerTool(tool: "tar" | "gzip", args: readonly string[], input?: Buffer): Buffer {
  try {
    return execFileSync(tool, args, { maxBuffer: Infinity, stdio: "pipe", ...(input && { input }) });
  } catch (error) {
    if (isMissing(error)) throw missingFromMachine(tool, [tool]);
    throw new BuilderError(`${tool} could not make the layer: ${reasonOf(error)}`, { cause: error });
  }
}

export function isMissing(error: unknown): boolean {
  return hasCode(error, "ENOENT");
}

/** What a failed program printed, or else how it ended. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const words = "stderr" in error ? String(error.stderr).trim() : "";
  return words === "" ? error.message : words;
}
