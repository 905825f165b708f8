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
  /** In some Debian releases another requirement's packages include it, and its own do not exist. */
  readonly isPerhapsIncluded?: boolean;
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
 * As `requireInstalled`, for many: those that can be installed together are, which is much faster. If that fails, each is
 * installed alone.
 *
 * @returns why some could not be installed
 */
export async function installAll(requirements: readonly Requirement[]): Promise<readonly unknown[]> {
  const all = [...new Set(requirements)];
  const together = all.filter((each) => isForThisMachine(each) && !each.isInstalled());
  if (together.length > 1) {
    const names = new Intl.ListFormat("en").format(together.map(({ name }) => name));
    const packages = [...new Set(together.flatMap((each) => each.packages))];
    try {
      install({ name: names, packages });
    } catch {
      // Those that are still missing report why, each for itself.
    }
  }
  const attempts = await Promise.allSettled(all.map((each) => requireInstalled(each)));
  return attempts.flatMap((attempt) => (attempt.status === "rejected" ? [attempt.reason] : []));
}

/**
 * Not for another architecture: once that is known to the package manager, it takes this machine's compiler for that
 * architecture's, and cannot install it.
 */
function isForThisMachine({ packages, isPerhapsIncluded = false }: Requirement): boolean {
  return !isPerhapsIncluded && foreignArchitecture(packages) === undefined;
}

function install({ name, packages }: Pick<Requirement, "name" | "packages">): void {
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
