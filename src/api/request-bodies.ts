/**
 * The bodies of all requests to this agent, read into bounded memory.
 *
 * There are three rooms (body-room.ts), so that nobody takes the room of those of whom more is known:
 *
 *     callers     with a valid token; each identity is a caller
 *     senders     of webhooks that may be accepted; each address at each path is one
 *     strangers   without a token, as at a login, and senders of webhooks that will be refused; each address is one
 *
 * How long a body may take to arrive is limited for all requests alike (http-server.ts).
 */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { addressNetwork } from "../model/identity/address-network.ts";
import type { Caller } from "../model/identity/caller.ts";
import { isCompressed } from "../model/texts/content-coding.ts";
import { readBody, type ReadBody } from "./body-reader.ts";
import { BodyRoom } from "./body-room.ts";
import { RequestError } from "./errors.ts";

const knownBytesMax = 67_108_864;
const strangersBytesMax = 4_194_304;

export class RequestBodies {
  readonly #callers = new BodyRoom(knownBytesMax);
  readonly #senders = new BodyRoom(knownBytesMax);
  readonly #strangers = new BodyRoom(strangersBytesMax);

  /**
   * As long as the route allows; empty without one.
   *
   * @throws RequestError
   */
  async read(request: FastifyRequest): Promise<Buffer> {
    if (isCompressed(request.headers["content-encoding"]))
      throw new RequestError(
        "UNSUPPORTED_MEDIA_TYPE",
        "The body is compressed, as its Content-Encoding says; send it uncompressed.",
      );
    const { bodyLimit: bytesMax, config } = request.routeOptions;
    const room = config.roles === undefined ? this.#strangers : this.#callers;
    const read = await readBody(request.raw, { bytesMax, room, caller: callerName(request) });
    switch (read.kind) {
      case "read":
        return read.bytes;
      case "too large":
        throw new RequestError("PAYLOAD_TOO_LARGE", `The body is larger than ${bytesMax} bytes.`);
      case "no room":
        throw new RequestError(
          "UNAVAILABLE",
          "Too many bodies of requests are arriving; send this one again later.",
        );
      case "incomplete":
        throw new RequestError("BAD_REQUEST", "The body did not arrive completely.");
    }
  }

  /**
   * Of a request to a webhook.
   *
   * @param isRefused whatever the body holds
   */
  async readSent(request: FastifyRequest, bytesMax: number, isRefused: boolean): Promise<ReadBody> {
    const network = addressNetwork(request.ip);
    const [path] = request.url.split("?");
    return await readBody(
      request.raw,
      isRefused
        ? { bytesMax, room: this.#strangers, caller: network }
        : { bytesMax, room: this.#senders, caller: `${network} ${path}` },
    );
  }
}

/** Whose share of a room a request takes: an identity's, or the network's that it came from. */
export function callerName(request: FastifyRequest): string {
  // On a route for strangers, and before the token is checked, there is none.
  const caller: Caller | undefined = request.caller;
  return caller?.login ?? addressNetwork(request.ip);
}

/** For all routes added to `scope`: leaves bodies unread. */
export function leaveBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
}
