/**
 * Reads the log of a sensor wherever it runs: here, or through the mailbox on the worker that owns it. The log of a sensor
 * that no worker owns is read here.
 *
 * To follow a log is to ask for one page after the other, each with the position of the last. So nothing is kept on the
 * owner between pages, a reader that is slow slows nobody, and the sensor may move: its new owner goes on by the time of
 * the last line.
 */
import type { SensorOwner } from "../database/statements/sensor-owner.ts";
import type { TakenRequest } from "../database/statements/worker-requests.ts";
import type { Id } from "../model/identifiers.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../model/json/json.ts";
import { logTailMax, type LogRequest, type WorkerLogPage } from "../model/sensors/log-page.ts";
import type { Redact } from "../model/texts/redaction.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";
import type { WorkerMailbox } from "./worker-mailbox.ts";

/** The logs that this worker keeps. */
export interface ReadableLogs {
  /** @param signal stops waiting for more lines */
  read(sensorRef: string, request: LogRequest, signal: AbortSignal): Promise<WorkerLogPage>;
}

export type LogOutcome =
  | { readonly kind: "page"; readonly page: WorkerLogPage }
  | { readonly kind: "unknown-sensor" }
  | { readonly kind: "no-answer"; readonly workerName: string };

export interface SensorLogReadingOptions {
  /** Of this worker's process. */
  readonly instance: string;
  /** Undefined: there is no such sensor. */
  readonly readOwner: (sensorRef: string) => Promise<SensorOwner | undefined>;
  readonly isRunningHere: (sensorId: Id) => boolean;
  readonly logs: ReadableLogs;
  readonly mailbox: Pick<WorkerMailbox, "ask">;
  /** Hides the agent's own secrets. */
  readonly redact: Redact;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long a page waits for lines. Until then a move of the sensor goes unnoticed. */
const waitMs = 5_000;
/** Beyond that wait, for an owner that is busy or has just taken over. */
const answerMsMax = 15_000;
/** Between pages: a sensor that logs line by line is read many lines at a time, and each page wakes all agents twice. */
const pauseMs = 250;
/** After a page that could not be read. */
const retryMs = 1_000;

export class SensorLogReading {
  readonly #options: SensorLogReadingOptions;

  constructor(options: SensorLogReadingOptions) {
    this.#options = options;
  }

  /** The last lines; at most `logTailMax`, and as many as a page holds. */
  tail(sensorRef: string, lines: number, signal: AbortSignal): Promise<LogOutcome> {
    return this.#read(sensorRef, { kind: "tail", lines }, signal);
  }

  /**
   * What follows the page, until the signal aborts or the sensor is deleted. A page without lines is yielded when there was
   * none for some seconds.
   */
  async *follow(
    sensorRef: string,
    first: WorkerLogPage,
    signal: AbortSignal,
  ): AsyncGenerator<WorkerLogPage, void, void> {
    const { clock, logger } = this.#options;
    let { position, workerName } = first;
    while (!signal.aborted) {
      let outcome: LogOutcome;
      try {
        outcome = await this.#read(sensorRef, { kind: "after", position, workerName, waitMs }, signal);
      } catch (error) {
        if (signal.aborted) return;
        logger.debug({ error, sensor_ref: sensorRef }, "could not read on in a sensor's log; trying again");
        outcome = { kind: "no-answer", workerName };
      }
      if (outcome.kind === "unknown-sensor") return;
      if (outcome.kind === "no-answer") {
        yield { lines: [], position, workerName };
        await clock.sleep(retryMs, signal);
        continue;
      }
      ({ position, workerName } = outcome.page);
      yield outcome.page;
      await clock.sleep(pauseMs, signal);
    }
  }

  /** For another worker. */
  async carryOut({ sensorRef, parameters }: TakenRequest, signal: AbortSignal): Promise<JsonObject> {
    const page = await this.#readHere(sensorRef, decodeRequest(parameters), signal);
    return { ...page, position: { ...page.position } };
  }

  async #read(sensorRef: string, request: LogRequest, signal: AbortSignal): Promise<LogOutcome> {
    const { instance, readOwner, isRunningHere, mailbox } = this.#options;
    const owner = await readOwner(sensorRef);
    if (owner === undefined) return { kind: "unknown-sensor" };
    const { sensorId } = owner;
    if (owner.instance === null || owner.instance === instance || isRunningHere(sensorId)) {
      return { kind: "page", page: await this.#readHere(sensorRef, request, signal) };
    }
    const question = { kind: "logs", sensorId, parameters: encodeRequest(request) } as const;
    const answer = await mailbox.ask(question, answerMsMax, signal);
    if (answer === undefined) return { kind: "no-answer", workerName: owner.workerName };
    return { kind: "page", page: decodePage(answer) };
  }

  async #readHere(sensorRef: string, request: LogRequest, signal: AbortSignal): Promise<WorkerLogPage> {
    const { logs, redact } = this.#options;
    const page = await logs.read(sensorRef, request, signal);
    return { ...page, lines: page.lines.map(redact) };
  }
}

function encodeRequest(request: LogRequest): JsonObject {
  return request.kind === "tail" ? { ...request } : { ...request, position: { ...request.position } };
}

/** @throws if another version of the agent asks in a way that this one does not know */
function decodeRequest({ kind, lines, position, workerName, waitMs: wait }: JsonObject): LogRequest {
  if (kind === "tail" && typeof lines === "number") return { kind, lines: Math.min(lines, logTailMax) };
  if (kind === "after" && typeof workerName === "string" && typeof wait === "number") {
    return { kind, position: decodePosition(position), workerName, waitMs: Math.min(wait, waitMs) };
  }
  throw new Error(`another worker asked for a log with ${JSON.stringify(kind)}`);
}

/** @throws as decodeRequest */
function decodePage(answer: JsonValue): WorkerLogPage {
  const { lines, position, workerName } = isJsonObject(answer) ? answer : {};
  if (!isJsonArray(lines) || typeof workerName !== "string") {
    throw new Error("another worker answered with what is no page of a log");
  }
  return {
    lines: lines.filter((line) => typeof line === "string"),
    position: decodePosition(position),
    workerName,
  };
}

function decodePosition(value: JsonValue | undefined): WorkerLogPage["position"] {
  const { source, offset, time } = isJsonObject(value) ? value : {};
  if (typeof source !== "string" || typeof offset !== "number" || typeof time !== "string") {
    throw new Error("a position in a log cannot be understood");
  }
  return { source, offset, time };
}
