/**
 * Fails for what no HTTP server can be started with: an address that is taken, a certificate that cannot be read. Asked before
 * the worker is registered, so that an agent that is started again and again with such a mistake is given no sensors.
 */
import { once } from "node:events";
import { createServer } from "node:net";
import { addressOf, type Listener } from "../config/listeners.ts";
import { messageOf } from "../errors/caught.ts";
import { OperatorError } from "../errors/operator-error.ts";
import { readCertificate } from "./certificate.ts";

/**
 * Somebody else may take an address later, so it proves nothing that this resolves.
 *
 * @throws OperatorError PORT_IN_USE or TLS_FAILED
 */
export async function demandServable(listeners: readonly Listener[]): Promise<void> {
  for (const listener of listeners) {
    if (listener.tls !== undefined) readCertificate(listener.tls);
    const server = createServer();
    try {
      server.listen({ host: await addressOf(listener), port: listener.port });
      await once(server, "listening");
    } catch (cause) {
      throw addressRefused(listener, cause);
    } finally {
      server.close();
    }
  }
}

export function addressRefused({ section, host, port }: Listener, cause: unknown): OperatorError {
  return new OperatorError({
    code: "PORT_IN_USE",
    attempt: `listen for HTTP on ${host}:${port}`,
    reason: messageOf(cause),
    remedy: `set ${section}.port to a free port, or ${section}.host to an address of this machine`,
    cause,
  });
}
