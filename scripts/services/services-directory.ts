/** Where the private services store their data. */
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { repositoryRoot } from "../repository.ts";

const otherUsersMayEnter = 0o001;

/**
 * `.local/services` in the checkout, or a system folder if this process is root and the user `postgres` cannot reach
 * the checkout (for example below /root).
 */
export function servicesDirectory(): string {
  const isReachable = process.getuid?.() !== 0 || everyoneMayEnter(repositoryRoot);
  return isReachable ? join(repositoryRoot, ".local", "services") : "/var/lib/attune-development";
}

function everyoneMayEnter(folder: string): boolean {
  const mayEnter = (statSync(folder).mode & otherUsersMayEnter) !== 0;
  const parent = dirname(folder);
  return mayEnter && (parent === folder || everyoneMayEnter(parent));
}
