/**
 * Answers of many lines, each a JSON object (application/x-ndjson), for work that takes long. The work ends when the caller
 * closes the connection, when the token is no longer valid, and when the agent stops. The last line of a whole answer has
 * `done`; one that fails ends with a line that has `error` and `code`, as other failures have.
 */
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "../telemetry/logger.ts";
import type { Authenticate } from "./authentication.ts";
import { failureBody } from "./errors.ts";
import { LongAnswers, type LongAnswer } from "./long-answers.ts";

export type Line = Readonly<Record<string, unknown>>;

type Work = (signal: AbortSignal) => AsyncGenerator<Line, void, void>;

const linesType = "application/x-ndjson; charset=utf-8";

export interface LineStreamsOptions {
  readonly authenticate: Authenticate;
  readonly logger: Logger;
  readonly atOnceMax: number;
  /** For the refusal of one more: "2 back-tests are running here already." */
  readonly refusal: string;
}

export class LineStreams {
  readonly #logger: Logger;
  readonly #answers: LongAnswers;

  constructor(scope: FastifyInstance, { logger, ...options }: LineStreamsOptions) {
    this.#logger = logger;
    this.#answers = new LongAnswers(scope, options);
  }

  /** @throws RequestError TOO_MANY_REQUESTS, or UNAVAILABLE while the agent stops */
  send(request: FastifyRequest, reply: FastifyReply, work: Work): FastifyReply {
    const answer = this.#answers.begin(request, reply);
    // Not even begun if the client leaves before the first line is read.
    const text = Readable.from(this.#texts(work, answer), { objectMode: false });
    return reply.header("cache-control", "no-store").type(linesType).send(text);
  }

  async *#texts(work: Work, answer: LongAnswer): AsyncGenerator<string, void, void> {
    answer.keepPlace();
    try {
      for await (const line of work(answer.signal)) {
        // Before the caller reads it, who may ask for the next work at once.
        if ("done" in line) answer.end();
        yield `${JSON.stringify(line)}\n`;
      }
    } catch (error) {
      const body = failureBody(error);
      if (body.code === "INTERNAL_ERROR") this.#logger.error({ error }, "could not complete an answer");
      yield `${JSON.stringify(body)}\n`;
    } finally {
      answer.end();
    }
  }
}
