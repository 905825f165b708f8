/**
 * Installs what a script needs where that is possible without asking: on Debian, as root. Services that
 * come with a package are kept from starting; the scripts run their own.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { foreignArchitecture, installCommand } from "../../build/install-command.ts";

export interface Requirement {
  /** For people: "PostgreSQL". */
  readonly name: string;
  readonly packages: readonly string[];
  readonly isInstalled: () => boolean;
}

/** Resolves once the requirement is installed; throws with what to do when it cannot be. */
export async function requireInstalled({ name, packages, isInstalled }: Requirement): Promise<void> {
  if (isInstalled()) return;

  const command = installCommand(packages);
  if (!existsSync("/usr/bin/apt-get") || process.getuid?.() !== 0) {
    throw new Error(`${name} is not installed, and installing it needs root on Debian; run: ${command}`);
  }
  process.stdout.write(`installing ${name}: ${command}\n`);
  await using _ = await keepServicesFromStarting();
  const foreign = foreignArchitecture(packages);
  if (foreign !== undefined) runAsRoot("dpkg", "--add-architecture", foreign);
  runAsRoot("apt-get", "update", "-qq");
  runAsRoot("apt-get", "install", "-y", "-qq", "--no-install-recommends", ...packages);
  if (!isInstalled()) throw new Error(`${name} is not where Debian puts it, although ${command} succeeded`);
}

function runAsRoot(program: "apt-get" | "dpkg", ...args: readonly string[]): void {
  const { status } = spawnSync(program, args, {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} failed with ${status}`);
}

/** Debian's own way to say it: a policy that forbids what a package's scripts ask for. */
async function keepServicesFromStarting(): Promise<AsyncDisposable> {
  const policy = "/usr/sbin/policy-rc.d";
  if (existsSync(policy)) return { [Symbol.asyncDispose]: async () => {} };

  await writeFile(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  return { [Symbol.asyncDispose]: () => rm(policy, { force: true }) };
}
