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
export async function requireInstalled(requirement: Requirement): Promise<void> {
  if (requirement.isInstalled()) return;

  install(requirement);
  if (requirement.isInstalled()) return;
  const command = installCommand(requirement.packages);
  throw new Error(
    `${requirement.name} was not found where Debian installs it, although ${command} succeeded`,
  );
}

/**
 * As `requireInstalled`, for many at once: one installation is much faster than many. If it fails, each is installed
 * alone.
 *
 * @returns why some could not be installed
 */
export async function installAll(requirements: readonly Requirement[]): Promise<readonly unknown[]> {
  const missing = requirements.filter(({ isInstalled }) => !isInstalled());
  if (missing.length > 1) {
    const names = new Intl.ListFormat("en").format(missing.map(({ name }) => name));
    const packages = [...new Set(missing.flatMap((each) => each.packages))];
    try {
      install({ name: names, packages });
    } catch (error) {
      process.stderr.write(`${String(error)}\n`);
    }
  }
  const attempts = await Promise.allSettled(missing.map((each) => requireInstalled(each)));
  return attempts.flatMap((attempt) => (attempt.status === "rejected" ? [attempt.reason] : []));
}

function install({ name, packages }: Omit<Requirement, "isInstalled">): void {
  const command = installCommand(packages);
  if (!existsSync("/usr/bin/apt-get") || process.getuid?.() !== 0) {
    throw new Error(`${name} is not installed, and installing it needs root on Debian; run: ${command}`);
  }
  process.stdout.write(`installing ${name}: ${command}\n`);
  const foreign = foreignArchitecture(packages);
  const architecture = foreign === undefined ? [] : ["--architecture", foreign];
  const { status, stderr } = spawnSync(installer, [...architecture, ...packages], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${name} could not be installed: ${stderr.trim()}`);
}
