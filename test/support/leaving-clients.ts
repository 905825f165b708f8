/** Clients that leave while their token is being checked, so that their handler runs for a connection that is closed. */
import { once } from "node:events";
import { connect } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import type { FastifyInstance } from "fastify";

export interface LeavingClients {
  /** Resolves when the handler has run as far as it can. */
  leave(address: string, path: string): Promise<void>;
}

/** Call it before routes are added to the scope. */
export function leavingClients(scope: FastifyInstance): LeavingClients {
  const leavers = new Map<string, { readonly arrived: () => void; readonly handled: () => void }>();
  let count = 0;
  scope.addHook("onRequest", async ({ headers }, { raw }) => {
    const leaver = leavers.get(String(headers["x-leaver"]));
    if (leaver === undefined) return;
    leaver.arrived();
    await once(raw, "close");
  });
  scope.addHook("preHandler", async ({ headers }) => leavers.get(String(headers["x-leaver"]))?.handled());
  return {
    async leave(address, path) {
      const arrived = Promise.withResolvers<void>();
      const handled = Promise.withResolvers<void>();
      const name = `${(count += 1)}`;
      leavers.set(name, { arrived: arrived.resolve, handled: handled.resolve });
      const socket = connect(Number(new URL(address).port), "127.0.0.1");
      socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\nx-leaver: ${name}\r\n\r\n`);
      await arrived.promise;
      socket.destroy();
      await handled.promise;
      await turn();
    },
  };
}
