/**
 * Answers of many lines, each a JSON object (application/x-ndjson), for work that takes long. The work ends when the caller
 * closes the connection, when the token is no longer valid, and when the agent stops. The last line of a whole answer has
 * `done`; one that fails ends with a line that has `error` and `code`, as other failures have.
 */
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "../telemetry/logger.ts";
import { requestToken, type Authenticate } from "./authentication.ts";
import { failureBody, RequestError } from "./errors.ts";

export type Line = Readonly<Record<string, unknown>>;

const linesType = "application/x-ndjson; charset=utf-8";
const checkMs = 5_000;

export interface LineStreamsOptions {
  readonly authenticate: Authenticate;
  readonly logger: Logger;
  readonly atOnceMax: number;
  /** For the refusal of one more: "2 back-tests are running here already." */
  readonly refusal: string;
}

export class LineStreams {
  readonly #options: LineStreamsOptions;
  readonly #running = new Set<AbortController>();

  constructor(scope: FastifyInstance, options: LineStreamsOptions) {
    this.#options = options;
    scope.addHook("preClose", async () => {
      for (const stream of this.#running) stream.abort();
    });
  }

  /** @throws RequestError TOO_MANY_REQUESTS */
  send(
    request: FastifyRequest,
    reply: FastifyReply,
    lines: (signal: AbortSignal) => AsyncGenerator<Line, void, void>,
  ): FastifyReply {
    const { atOnceMax, refusal, authenticate } = this.#options;
    if (this.#running.size >= atOnceMax) throw new RequestError("TOO_MANY_REQUESTS", refusal);
    const stream = new AbortController();
    this.#running.add(stream);
    reply.raw.once("close", () => stream.abort());
    const token = requestToken(request) ?? "";
    const timer = setInterval(() => {
      // While nobody can tell, the token stays valid, as it does for requests.
      authenticate(token)
        .then((caller) => caller ?? stream.abort())
        .catch(() => undefined);
    }, checkMs);
    const end = (): void => {
      clearInterval(timer);
      this.#running.delete(stream);
    };
    const text = Readable.from(this.#texts(lines(stream.signal), end), { objectMode: false });
    return reply.header("cache-control", "no-store").type(linesType).send(text);
  }

  async *#texts(
    lines: AsyncGenerator<Line, void, void>,
    end: () => void,
  ): AsyncGenerator<string, void, void> {
    try {
      for await (const line of lines) {
        // Before the caller reads it, who may ask for the next work at once.
        if ("done" in line) end();
        yield `${JSON.stringify(line)}\n`;
      }
    } catch (error) {
      const body = failureBody(error);
      if (body.code === "INTERNAL_ERROR")
        this.#options.logger.error({ error }, "could not complete an answer");
      yield `${JSON.stringify(body)}\n`;
    } finally {
      end();
    }
  }
}
