/**
 * Names that one process of this machine holds at a time. Each is an abstract Unix socket, so the kernel frees it when the
 * process ends, however it ends.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const retryMs = 200;

/** Holds the name until disposed; waits while another process does. */
export async function holdName(name: string): Promise<AsyncDisposable> {
  for (;;) {
    const server = await tryHold(name);
    if (server !== undefined) {
      return {
        async [Symbol.asyncDispose]() {
          server.close();
          await once(server, "close");
        },
      };
    }
    await delay(retryMs);
  }
}

/** @returns undefined if another process holds the name; otherwise it is held until the server is closed or the process ends */
export async function tryHold(name: string): Promise<Server | undefined> {
  const server = createServer().unref();
  server.listen(`\0attune-${name}`);
  try {
    await once(server, "listening");
    return server;
  } catch {
    return undefined;
  }
}
