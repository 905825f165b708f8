/**
 * The answers that each connection still owes.
 *
 * Node's parser goes on with a connection's next request while earlier ones are being answered. If it cannot read that one,
 * its refusal would be written into an answer that is half sent, or taken for an answer that has not begun: the sender of
 * an event would take it for refused although it is stored.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export class OwedAnswers {
  readonly #unfinished = new WeakMap<Socket, Set<ServerResponse>>();

  constructor(server: Pick<Server, "on">) {
    server.on("request", ({ socket }: IncomingMessage, answer: ServerResponse) => {
      const unfinished = this.#unfinished.get(socket) ?? new Set();
      this.#unfinished.set(socket, unfinished.add(answer));
      answer.once("close", () => unfinished.delete(answer));
    });
  }

  /**
   * Calls back when the requests that have arrived completely are answered; never, if the client leaves before that.
   *
   * @returns false: it has called back already, since no answer is owed
   */
  whenSettled(socket: Socket, callback: () => void): boolean {
    const owed = this.#of(socket).filter(({ req }) => req.complete);
    let left = owed.length;
    if (left === 0) callback();
    const settle = (): void => {
      left -= 1;
      if (left === 0) callback();
    };
    for (const answer of owed) answer.once("close", settle);
    return owed.length > 0;
  }

  /** Whether an answer to the request that is arriving has begun. */
  hasBegun(socket: Socket): boolean {
    return this.#of(socket).some(({ req, headersSent }) => !req.complete && headersSent);
  }

  #of(socket: Socket): readonly ServerResponse[] {
    return [...(this.#unfinished.get(socket) ?? [])];
  }
}
