/**
 * The project's global setup: one container engine for all files, and the images that they need, made while the tests of the
 * other projects run. Without an engine the files themselves report why there is none.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { hasEnded } from "../../../scripts/services/has-ended.ts";
import { openDocker } from "./docker.ts";

export async function setup(): Promise<() => Promise<void>> {
  const scope = new AsyncDisposableStack();
  try {
    scope.use(await openDocker());
  } catch {
    return async () => {};
  }
  // What cannot be made now, a file makes when it needs it, and says why it cannot.
  const making = spawn("nice", [process.execPath, join(import.meta.dirname, "make-images.ts")], {
    stdio: "ignore",
    // Its own process group, so that the programs that it started end with it.
    detached: true,
  });
  const ended = new Promise((resolve) => making.once("close", resolve).once("error", resolve));
  scope.defer(async () => {
    if (making.pid !== undefined && !hasEnded(making)) process.kill(-making.pid);
    await ended;
  });
  return () => scope.disposeAsync();
}
