import { spawnSync } from "node:child_process";
import { ownArchitecture } from "../../build/architecture.ts";
import { requireInstalled } from "../services/debian-packages.ts";

/** What building the executable needs. Where it cannot be provided, the build says what it lacks. */
export async function provideToolchain(): Promise<void> {
  if (ownArchitecture === undefined) return;
  const { debianPackages, toolPrefix } = ownArchitecture;
  const isInstalled = (): boolean => spawnSync(`${toolPrefix}gcc`, ["--version"]).status === 0;
  await requireInstalled({ name: "the compiler", packages: debianPackages, isInstalled }).catch(
    (error: unknown) => process.stderr.write(`${String(error)}\n`),
  );
}
