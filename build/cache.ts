import { homedir } from "node:os";
import { join } from "node:path";

/** Cache for files that are expensive to fetch or make. It is outside the checkout and safe to delete. */
export function cacheDirectory(): string {
  const base = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(base, "attune-sensor-agent");
}
