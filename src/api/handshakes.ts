/**
 * TLS handshakes under way.
 *
 * Until its handshake is done, a connection does not belong to the HTTP server. Nothing can be answered over it: what is
 * written waits for the end of the handshake. And a server that closes waits for it, but does not end it.
 */
import type { Server } from "node:https";
import type { Socket } from "node:net";

export class Handshakes {
  /** Connections by their remote address and port, which the secure connection made of one has, too. */
  readonly #underWay = new Map<string, Socket>();
  #isEnding = false;

  constructor(
    server: Server,
    onFailed: (error: Error & { readonly code?: string }, remoteAddress: string | undefined) => void,
  ) {
    server.on("connection", (socket: Socket) => {
      if (this.#isEnding) return void socket.destroy();
      const peer = peerOf(socket);
      this.#underWay.set(peer, socket);
      socket.once("close", () => {
        if (this.#underWay.get(peer) === socket) this.#underWay.delete(peer);
      });
    });
    server.on("secureConnection", (socket) => this.#underWay.delete(peerOf(socket)));
    // Before the server's own listener, which would answer in HTTP, and so keep the connection for ever.
    server.prependListener("tlsClientError", (error, socket) => {
      const { remoteAddress } = socket;
      socket.destroy();
      onFailed(error, remoteAddress);
    });
  }

  /** Ends all, and refuses new ones. */
  end(): void {
    this.#isEnding = true;
    for (const socket of this.#underWay.values()) socket.destroy();
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
