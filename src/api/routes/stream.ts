/**
 * `/stream`: what all agents do, as server-sent events, once a second; see src/live for the frames.
 *
 * A stream ends when its viewer leaves, its token ends (seen within seconds), or the agent stops. Browsers then ask again by
 * themselves, with the id of the last frame.
 */
import type { FastifyInstance } from "fastify";
import { requestToken, type Authenticate } from "../authentication.ts";
import { RequestError } from "../errors.ts";

/** Satisfied by live/live-stream.ts. */
export interface ViewedStream {
  readonly viewerCount: number;
  readonly open: (
    viewer: { readonly send: (frame: Buffer) => number; readonly waitingBytes: () => number },
    lastId: string | undefined,
  ) => Disposable;
}

const viewersMax = 500;
/** A token is checked again with every so many frames. */
const checkedFrames = 15;

export function addStreamRoute(
  scope: FastifyInstance,
  stream: ViewedStream,
  authenticate: Authenticate,
): void {
  const open = new Set<() => void>();
  scope.addHook("preClose", async () => {
    for (const end of open) end();
  });

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
      if (stream.viewerCount >= viewersMax) {
        throw new RequestError("TOO_MANY_REQUESTS", `${viewersMax} viewers follow this agent already.`);
      }
      const token = requestToken(request) ?? "";
      const lastId = request.headers["last-event-id"];
      reply.hijack();
      const { raw } = reply;
      raw.writeHead(200, {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        // nginx holds answers back otherwise.
        "x-accel-buffering": "no",
      });
      let frames = 0;
      const waitingBytes = (): number => raw.writableLength;
      const following = stream.open(
        {
          send: (frame) => {
            raw.write(frame);
            frames += 1;
            if (frames % checkedFrames === 0) void check();
            return waitingBytes();
          },
          waitingBytes,
        },
        typeof lastId === "string" ? lastId : undefined,
      );
      const end = (): void => void raw.end();
      const check = async (): Promise<void> => {
        // While nobody can tell, the token stays valid, as it does for requests.
        const caller = await authenticate(token).catch(() => null);
        if (caller === undefined) end();
      };
      open.add(end);
      raw.once("close", () => {
        open.delete(end);
        following[Symbol.dispose]();
      });
      return reply;
    },
  );
}
