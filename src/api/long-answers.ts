/**
 * Answers that take long: streams, work that reports its progress, downloads. This is what they have in common: how many
 * there may be at once, and why one ends before it is complete.
 *
 *     begun ──client left, token ended, agent stops──▶ signal aborted ──connection closed, work ended──▶ place free
 *
 * A client may leave at any moment, even before its handler runs: while its token is being checked, or while the handler
 * reads something. `close` has been emitted by then and never comes again, so `onClosed` also looks at the connection.
 */
import type { ServerResponse } from "node:http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { systemClock, type Clock } from "../time/clock.ts";
import { requestToken, type Authenticate } from "./authentication.ts";
import { RequestError } from "./errors.ts";

export interface LongAnswersOptions {
  readonly atOnceMax: number;
  /** Refuses one more: "2 replays are running on this agent already." */
  readonly refusal: string;
  /** Left out: their tokens do not end. */
  readonly authenticate?: Authenticate;
  /** Left out: the system's. */
  readonly clock?: Pick<Clock, "sleep">;
}

/** Between two checks of an answer's token. */
const checkMs = 5_000;

export class LongAnswers {
  readonly #options: LongAnswersOptions;
  readonly #begun = new Set<LongAnswer>();
  #isStopping = false;

  constructor(scope: FastifyInstance, options: LongAnswersOptions) {
    this.#options = options;
    scope.addHook("preClose", async () => {
      this.#isStopping = true;
      for (const answer of this.#begun) answer.abort();
    });
  }

  /**
   * Takes a place until the connection closes. If the client has left already, the place is free again and the signal of
   * the answer aborted.
   *
   * @throws RequestError TOO_MANY_REQUESTS, or UNAVAILABLE while the agent stops
   */
  begin(request: FastifyRequest, reply: FastifyReply): LongAnswer {
    const { atOnceMax, refusal, authenticate, clock = systemClock } = this.#options;
    // A request whose token was being checked when the stop began; nothing would end its answer.
    if (this.#isStopping) throw new RequestError("UNAVAILABLE", "The agent is stopping.");
    if (this.#begun.size >= atOnceMax) throw new RequestError("TOO_MANY_REQUESTS", refusal);
    const answer = new LongAnswer(reply.raw, this.#begun);
    if (authenticate !== undefined) {
      const token = requestToken(request) ?? "";
      void tokenEnd(() => authenticate(token), clock, answer.signal).then(() => answer.abort());
    }
    return answer;
  }
}

export class LongAnswer {
  readonly #raw: ServerResponse;
  readonly #begun: Set<LongAnswer>;
  readonly #ending = new AbortController();
  #isPlaceKept = false;

  /** @param begun those that have a place */
  constructor(raw: ServerResponse, begun: Set<LongAnswer>) {
    this.#raw = raw;
    this.#begun = begun;
    begun.add(this);
    this.onClosed(() => {
      this.abort();
      if (!this.#isPlaceKept) this.end();
    });
  }

  /** Aborts when the client has left, its token is not valid any more, or the agent stops. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Calls back when the connection closes; at once if it is closed already. */
  onClosed(act: () => void): void {
    if (this.#raw.closed) act();
    else this.#raw.once("close", act);
  }

  /** From now on only `end` frees the place: for work that needs a moment to stop after the client has left. */
  keepPlace(): void {
    this.#isPlaceKept = true;
  }

  /** Frees the place. */
  end(): void {
    this.#begun.delete(this);
  }

  /** Tells the work behind the answer to end early. */
  abort(): void {
    this.#ending.abort();
  }
}

/** Resolves when the token is not valid any more, or the signal aborts. */
async function tokenEnd(
  check: () => ReturnType<Authenticate>,
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await clock.sleep(checkMs, signal);
    if (signal.aborted) return;
    // While nobody can tell, the token stays valid, as it does for requests.
    const caller = await check().catch(() => null);
    if (caller === undefined) return;
  }
}
