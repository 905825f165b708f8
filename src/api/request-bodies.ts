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
    const read = await readBody(
      request.raw,
      config.roles === undefined
        ? { bytesMax, room: this.#strangers, caller: addressNetwork(request.ip) }
        : { bytesMax, room: this.#callers, caller: request.caller.login },
    );
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

/** For all routes added to `scope`: leaves bodies unread. */
export function leaveBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
}
