/**
 * `/sensors/{ref}/logs`: the end of a sensor's log, and with `follow` its lines as they are written.
 *
 * Followed lines are read page by page, and the next page only when the client has taken the last one: a client that does
 * not read holds one page. A stream ends when its client leaves, its token ends (seen within seconds), the sensor is
 * deleted, or the agent stops.
 */
import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import { logEntry, logTailMax, type WorkerLogPage } from "../../model/sensors/log-page.ts";
import { InstantAnswer, orNull } from "../answers.ts";
import type { Authenticate } from "../authentication.ts";
import { MissingError, RequestError } from "../errors.ts";
import { LongAnswers } from "../long-answers.ts";
import { Text } from "../validation.ts";

/** Satisfied by operations/sensor-log-reading.ts. */
export type LogOutcome =
  | { readonly kind: "page"; readonly page: WorkerLogPage }
  | { readonly kind: "unknown-sensor" }
  | { readonly kind: "no-answer"; readonly workerName: string };

export interface SensorLogSource {
  /** The last lines, from the worker that owns the sensor. */
  readonly readLog: (ref: string, lines: number, signal: AbortSignal) => Promise<LogOutcome>;
  /** What follows that page; now and then a page without lines. */
  readonly followLog: (
    ref: string,
    first: WorkerLogPage,
    signal: AbortSignal,
  ) => AsyncGenerator<WorkerLogPage, void, void>;
}

const plainType = "text/plain; charset=utf-8";
const linesType = "application/x-ndjson; charset=utf-8";
const tailDefault = 100;
/** Streams of one agent at a time. */
const streamsMax = 32;

const RefParameters = Type.Object({ ref: Text("Ref of the sensor") });

const LogParameters = Type.Object({
  tail: Type.Optional(
    Type.Integer({
      description: `How many of the last lines, ${tailDefault} by default and at most ${logTailMax} or 256 KiB`,
    }),
  ),
  follow: Type.Optional(
    Type.Boolean({
      description:
        "Go on with each line that is written, as application/x-ndjson: one object with time, text and worker_name a line, and an empty line when there was none for some seconds",
    }),
  ),
  format: Type.Optional(
    Type.Enum(["json", "text"], { description: "With text, lines as they are in the log, as text/plain" }),
  ),
});

const LogLine = Type.Object({
  time: orNull(InstantAnswer),
  text: Type.String(),
});

const LogAnswer = Type.Object({
  ref: Type.String(),
  worker_name: Type.String({ description: "Worker whose log it is" }),
  lines: Type.Array(LogLine),
});

export function addSensorLogRoutes(
  scope: FastifyInstance,
  { readLog, followLog }: SensorLogSource,
  authenticate: Authenticate,
): void {
  const refusal = `${streamsMax} logs are being followed here already.`;
  const answers = new LongAnswers(scope, { atOnceMax: streamsMax, refusal, authenticate });

  scope.get<{ Params: Static<typeof RefParameters>; Querystring: Static<typeof LogParameters> }>(
    "/sensors/:ref/logs",
    {
      config: { roles: ["admin", "viewer"] },
      schema: {
        params: RefParameters,
        querystring: LogParameters,
        response: { 200: Type.Object({ data: LogAnswer }) },
      },
    },
    async (request, reply) => {
      const { query } = request;
      const { ref } = request.params;
      const { tail = tailDefault, follow = false, format = "json" } = query;
      const { signal } = follow ? answers.begin(request, reply) : request;
      const first = pageOf(ref, await readLog(ref, Math.min(Math.max(tail, 0), logTailMax), signal));
      const pageText = format === "text" ? plainText : jsonLines;
      reply.header("cache-control", "no-store");
      if (!follow && format === "text") return reply.type(plainType).send(pageText(first));
      if (!follow) return { data: { ref, worker_name: first.workerName, lines: first.lines.map(logEntry) } };

      const text = Readable.from(textOf(first, followLog(ref, first, signal), pageText), {
        objectMode: false,
      });
      return reply.type(format === "text" ? plainType : linesType).send(text);
    },
  );
}

async function* textOf(
  first: WorkerLogPage,
  rest: AsyncGenerator<WorkerLogPage, void, void>,
  pageText: (page: WorkerLogPage) => string,
): AsyncGenerator<string, void, void> {
  yield pageText(first);
  for await (const page of rest) yield pageText(page);
}

/** Never empty, so that a connection that carries nothing is not taken for dead. */
function jsonLines({ lines, workerName }: WorkerLogPage): string {
  const texts = lines.map((line) => JSON.stringify({ ...logEntry(line), worker_name: workerName }));
  return `${texts.join("\n")}\n`;
}

function plainText({ lines }: WorkerLogPage): string {
  return lines.map((line) => `${line}\n`).join("");
}

/** @throws RequestError NOT_FOUND or UNAVAILABLE */
function pageOf(ref: string, outcome: LogOutcome): WorkerLogPage {
  switch (outcome.kind) {
    case "page":
      return outcome.page;
    case "unknown-sensor":
      throw new MissingError("sensor", ref);
    case "no-answer":
      throw new RequestError("UNAVAILABLE", `Worker ${outcome.workerName} owns ${ref} and did not answer.`);
  }
}
