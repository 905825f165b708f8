/**
 * Reads bodies of requests whose senders are not known yet, as bytes.
 *
 * The handler decides how large a body may be, so it is read when the handler asks for it. All bodies that one reader is
 * reading share its room: however many clients send slowly, they take no more memory.
 */
import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";

export type ReadBody =
  | { readonly kind: "read"; readonly bytes: Uint8Array }
  | { readonly kind: "too large" }
  | { readonly kind: "no room" }
  | { readonly kind: "incomplete" };

/** For all routes added to `scope`: leaves bodies unread. */
export function leaveBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
}

export class BodyReader {
  readonly #heldMax: number;
  #held = 0;

  /** @param heldMax bytes of all bodies that are being read at once */
  constructor(heldMax: number) {
    this.#heldMax = heldMax;
  }

  read(message: IncomingMessage, bytesMax: number): Promise<ReadBody> {
    const { promise, resolve } = Promise.withResolvers<ReadBody>();
    if (message.complete && message.readableLength === 0)
      return Promise.resolve({ kind: "read", bytes: new Uint8Array() });
    // The connection broke, or the rest of the body was malformed, before the handler asked for it: no event would follow.
    if (message.destroyed) return Promise.resolve({ kind: "incomplete" });
    const chunks: Buffer[] = [];
    let length = 0;
    const end = (body: ReadBody): void => {
      message.off("data", add).off("end", complete).off("close", incomplete).off("error", incomplete);
      this.#held -= length;
      // What is still to come is dropped.
      message.on("error", () => {}).resume();
      resolve(body);
    };
    const add = (chunk: Buffer): void => {
      length += chunk.length;
      this.#held += chunk.length;
      if (length > bytesMax) return end({ kind: "too large" });
      if (this.#held > this.#heldMax) return end({ kind: "no room" });
      chunks.push(chunk);
    };
    const complete = (): void => {
      const [only] = chunks;
      end({ kind: "read", bytes: chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks) });
    };
    const incomplete = (): void => end({ kind: "incomplete" });
    message.on("data", add).on("end", complete).on("close", incomplete).on("error", incomplete);
    return promise;
  }
}
