/**
 * `/stream`: what all agents do, as server-sent events, once a second; see src/live for the frames.
 *
 * A stream ends when its viewer leaves, its token ends (seen within seconds), or the agent stops. Browsers then ask again by
 * themselves, with the id of the last frame.
 */
import type { FastifyInstance } from "fastify";
import { systemClock, type Clock } from "../../time/clock.ts";
import type { Authenticate } from "../authentication.ts";
import { LongAnswers } from "../long-answers.ts";

/** Satisfied by live/live-stream.ts. */
export interface ViewedStream {
  readonly open: (
    viewer: { readonly send: (frame: Buffer) => number; readonly waitingBytes: () => number },
    lastId: string | undefined,
  ) => Disposable;
}

const viewersMax = 500;

export function addStreamRoute(
  scope: FastifyInstance,
  stream: ViewedStream,
  authenticate: Authenticate,
  clock: Pick<Clock, "sleep"> = systemClock,
): void {
  const refusal = `${viewersMax} viewers follow this agent already.`;
  const answers = new LongAnswers(scope, { atOnceMax: viewersMax, refusal, authenticate, clock });

  scope.get(
    "/stream",
    {
      config: { roles: ["admin", "viewer"] },
      schema: {
        description:
          "Rates, new events and changes of sensors of all agents, as text/event-stream: a `snapshot` of the last five minutes, then a `tick` a second. `Last-Event-ID` goes on after that frame.",
        response: { 200: { type: "string" } },
      },
    },
    async (request, reply) => {
      const { signal } = answers.begin(request, reply);
      const lastId = request.headers["last-event-id"];
      reply.hijack();
      if (signal.aborted) return reply;
      const { raw } = reply;
      raw.writeHead(200, {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        // nginx holds answers back otherwise.
        "x-accel-buffering": "no",
      });
      const waitingBytes = (): number => raw.writableLength;
      const send = (frame: Buffer): number => {
        raw.write(frame);
        return waitingBytes();
      };
      const following = stream.open({ send, waitingBytes }, typeof lastId === "string" ? lastId : undefined);
      signal.addEventListener("abort", () => {
        // Before the end: a frame after it would be an error that nobody catches.
        following[Symbol.dispose]();
        raw.end();
      });
      return reply;
    },
  );
}
