/** Installs what a script needs, if that is possible without asking: on Debian, as root. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { foreignArchitecture, installCommand } from "../../build/packing/install-command.ts";

const installer = join(import.meta.dirname, "install-packages.sh");

export interface Requirement {
  /** For people, such as "PostgreSQL". */
  readonly name: string;
  readonly packages: readonly string[];
  readonly isInstalled: () => boolean;
}

/** Resolves once the requirement is installed; throws with a remedy if it cannot be. */
export async function requireInstalled({ name, packages, isInstalled }: Requirement): Promise<void> {
  if (isInstalled()) return;

  const command = installCommand(packages);
  if (!existsSync("/usr/bin/apt-get") || process.getuid?.() !== 0) {
    throw new Error(`${name} is not installed, and installing it needs root on Debian; run: ${command}`);
  }
  process.stdout.write(`installing ${name}: ${command}\n`);
  const foreign = foreignArchitecture(packages);
  const architecture = foreign === undefined ? [] : ["--architecture", foreign];
  const { status, stderr } = spawnSync(installer, [...architecture, ...packages], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${name} could not be installed: ${stderr.trim()}`);
  if (!isInstalled())
    throw new Error(`${name} was not found where Debian installs it, although ${command} succeeded`);
}
