/** Where the private services keep their data between runs. */
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { repositoryRoot } from "../repository.ts";

const otherUsersMayEnter = 0o001;

/**
 * `.local/services` in the checkout; but when root's checkout lies where the user `postgres` may not
 * enter (such as below /root), a folder of the system instead.
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
