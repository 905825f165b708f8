import { homedir } from "node:os";
import { join } from "node:path";

/** What is expensive to fetch or make and the same every time: outside the checkout, safe to delete. */
export function cacheDirectory(): string {
  const base = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(base, "attune-sensor-agent");
}
