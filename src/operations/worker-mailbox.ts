/**
 * Requests between agents, through the table `worker_request`; the migration that creates it describes their states.
 *
 * One loop does both halves: it takes requests for sensors that this worker owns and has them carried out, and it
 * collects the answers that calls of `ask` wait for. A notification on each request and answer wakes it; otherwise it looks
 * every ten minutes. While this worker owns no sensor and asks nothing, it asks the database nothing.
 */
import type { WakeableLoop } from "../concurrency/wakeable-loop.ts";
import type { Database } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import {
  answerWorkerRequest,
  askWorker,
  collectWorkerAnswers,
  takeWorkerRequests,
  withdrawWorkerRequest,
  type TakenRequest,
  type WorkerRequestKind,
} from "../database/statements/worker-requests.ts";
import { messageOf } from "../errors/caught.ts";
import { OperatorError } from "../errors/operator-error.ts";
import type { Id } from "../model/identifiers.ts";
import { parseJson } from "../model/json/json-text.ts";
import type { JsonObject, JsonValue } from "../model/json/json.ts";
import type { Logger } from "../telemetry/logger.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import type { Clock } from "../time/clock.ts";

export interface WorkerMailboxOptions {
  readonly database: Database;
  /** Of this worker's process. */
  readonly instance: string;
  readonly ownsSensors: () => boolean;
  /**
   * Carries out a request for a sensor of this worker. Rejects only for a fault of the agent.
   *
   * @param signal aborts when the worker ends: nobody hears the answer any more
   */
  readonly carryOut: (request: TakenRequest, signal: AbortSignal) => Promise<JsonObject>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

export interface Question {
  readonly kind: WorkerRequestKind;
  readonly sensorId: Id;
  readonly parameters: JsonObject;
}

/** Requests live for seconds and are announced; a look deletes expired ones of agents that are gone. */
const lookEveryMs = 600_000;
const retry = { delayMsFirst: 250, delayMsMax: 5_000 };
/** Requests of others carried out at a time; further ones wait in the table. */
const underWayMax = 64;
/** In the table, of all agents. */
const openMax = 1_024;

export class WorkerMailbox {
  readonly #options: WorkerMailboxOptions;
  readonly #loop: WakeableLoop;
  /** Calls of `ask` by the id of their request. */
  readonly #waiting = new Map<Id, (answer: JsonValue) => void>();
  #underWay = 0;

  constructor(options: WorkerMailboxOptions) {
    this.#options = options;
    this.#loop = reportedLoop(
      {
        texts: {
          begins: "could not look for requests of other workers; trying again",
          ends: "requests of other workers are read again",
        },
        step: (signal) => this.#look(signal),
        intervalMs: lookEveryMs,
        retry,
      },
      options,
    );
  }

  /** A hint: there may be a request or an answer. */
  wake(): void {
    this.#loop.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
  }

  /**
   * Asks the owner of the sensor, whichever worker that is by the time it looks.
   *
   * @param limitMs how long to wait for the answer
   * @param signal stops waiting
   * @returns undefined if there was no answer in time, or the sensor has been deleted
   * @throws OperatorError UNAVAILABLE when too many requests are open
   */
  async ask(question: Question, limitMs: number, signal: AbortSignal): Promise<JsonValue | undefined> {
    const { database, clock } = this.#options;
    const id = await rowOf(database.relaxed, askWorker, {
      ...question,
      secondsToLive: limitMs / 1_000,
      openMax,
    });
    if (id === undefined) throw noRoom();
    const { promise, resolve } = Promise.withResolvers<JsonValue | undefined>();
    const waited = new AbortController();
    this.#waiting.set(id, resolve);
    // The answer may have come, with its notification, before this call was known to wait.
    this.wake();
    const timeIsUp = clock.sleep(limitMs, AbortSignal.any([signal, waited.signal])).then(() => undefined);
    try {
      const answer = await Promise.race([promise, timeIsUp]);
      if (answer === undefined) await rowsOf(database.relaxed, withdrawWorkerRequest, id);
      return answer;
    } finally {
      waited.abort();
      this.#waiting.delete(id);
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { database, instance, ownsSensors } = this.#options;
    const room = underWayMax - this.#underWay;
    if (ownsSensors() && room > 0) {
      const taken = await rowsOf(database.relaxed, takeWorkerRequests, { instance, countMax: room });
      for (const request of taken) void this.#answer(request, signal);
    }
    if (this.#waiting.size === 0) return;
    for (const { id, answer } of await rowsOf(database.relaxed, collectWorkerAnswers, [
      ...this.#waiting.keys(),
    ])) {
      this.#waiting.get(id)?.(parseJson(answer));
    }
  }

  async #answer(request: TakenRequest, signal: AbortSignal): Promise<void> {
    const { database, instance, carryOut, logger } = this.#options;
    this.#underWay += 1;
    try {
      const answer = JSON.stringify(await carryOut(request, signal));
      if (signal.aborted) return;
      await rowsOf(database.relaxed, answerWorkerRequest, { id: request.id, instance, answer });
    } catch (error) {
      if (signal.aborted) return;
      // The asker learns it by waiting in vain.
      logger.warn(
        { error, sensor_id: request.sensorId, request: request.kind },
        `could not answer another worker's request: ${messageOf(error)}`,
      );
    } finally {
      this.#underWay -= 1;
      // Others may have waited for room.
      if (this.#underWay === underWayMax - 1) this.wake();
    }
  }
}

function noRoom(): OperatorError {
  return new OperatorError({
    code: "UNAVAILABLE",
    attempt: "ask another worker",
    reason: `${openMax} requests between workers are open, or the sensor was deleted a moment ago`,
    remedy: "ask again later",
  });
}
