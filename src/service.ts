/**
 * The sensor service. It opens its parts, wires them, and closes them in reverse order.
 *
 *   created ──start()──▶ registered ──▶ at work ──stop()──▶ stopped
 *                └────────────┴── stop() ends a start half done, too, and waits for its end
 *
 * Each part is described in its own file; this file and `service/` only wire the parts and order their start and stop. Sensors stop first, their last events are stored, the assignments
 * are released, the messages are confirmed, the worker is deregistered, and the database closes last.
 *
 * The second half is loaded only when the first is done, so that the worker is known sooner.
 */
import { randomUUID } from "node:crypto";
import { Lifetime } from "./concurrency/lifetime.ts";
import { settlesWithin } from "./concurrency/settles-within.ts";
import { Activity } from "./telemetry/activity.ts";
import { systemClock } from "./time/clock.ts";
import { openRegisteredWorker } from "./service/registered-worker.ts";
import type { ServiceContext, SensorServiceOptions } from "./service/service-context.ts";
import type { RunningService } from "./service/running-service.ts";

/** How long all of the end may take beyond `sensor.shutdown_timeout`: enough for its steps, not for a dead socket at each. */
export const stopLimitMs = 20_000;

export class SensorService {
  readonly activity = new Activity();
  /** Rejects when the service cannot go on; the caller then stops it. */
  readonly failure: Promise<never>;
  readonly #context: ServiceContext;
  readonly #stopping = new AbortController();
  #starting: Promise<RunningService> | undefined;

  constructor(options: SensorServiceOptions) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.failure = promise;
    // Nobody has to listen; and a failure while stopping is of no use any more.
    promise.catch(() => {});
    this.#context = {
      options,
      lifetime: new Lifetime(reject),
      stopping: this.#stopping.signal,
      activity: this.activity,
      fail: reject,
      instance: randomUUID(),
      clock: systemClock,
      random: Math.random,
    };
  }

  /**
   * Resolves once the worker is registered and everything runs.
   *
   * @throws OperatorError for what an operator can mend; `stop` is still due
   */
  async start(): Promise<RunningService> {
    this.#starting = this.#open();
    return await this.#starting;
  }

  async #open(): Promise<RunningService> {
    const worker = await openRegisteredWorker(this.#context);
    const { openRunningService } = await import("./service/running-service.ts");
    return openRunningService(this.#context, worker);
  }

  /** Stops sensors, stores and publishes what is left, deregisters and closes. Bounded in time. */
  async stop(): Promise<void> {
    const { config, logger } = this.#context.options;
    const closing = this.#close();
    if (await settlesWithin(closing, config.sensor.shutdown_timeout * 1_000 + stopLimitMs)) {
      await closing;
      return;
    }
    logger.warn(
      {},
      "could not stop everything in time; leases will expire and other workers will send the remaining messages",
    );
  }

  async #close(): Promise<void> {
    this.#stopping.abort();
    try {
      await this.#context.lifetime[Symbol.asyncDispose]();
    } finally {
      // A start that is interrupted closes what it was opening, and reports its failure to the caller.
      await this.#starting?.catch(() => {});
    }
  }
}
