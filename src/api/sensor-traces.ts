/**
 * What the requests of sensors show of their programs, for the agent that supervises them: which token they use, and
 * whether they read their rules.
 *
 * Only sensors with a valid token leave traces, and only the newest are kept, so the memory is bounded.
 */
import type { FastifyInstance } from "fastify";
import type { Clock } from "../time/clock.ts";
import type { Authenticate } from "./authentication.ts";

interface Trace {
  /** Milliseconds since the epoch. */
  newestExpiryMs: number;
  /** On the monotonic clock. */
  usedAtMs: number;
  /** On the monotonic clock. */
  rulesReadAtMs: number | undefined;
}

const tracesMax = 10_000;
const ruleListPath = /\/rules(\/:ref)?$/;

export class SensorTraces {
  readonly #clock: Clock;
  readonly #traces = new Map<string, Trace>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Of the tokens it has used. */
  newestExpiryMs(sensorRef: string): number | undefined {
    return this.#traces.get(sensorRef)?.newestExpiryMs;
  }

  /** When it last used a token, on the monotonic clock. */
  usedAtMs(sensorRef: string): number | undefined {
    return this.#traces.get(sensorRef)?.usedAtMs;
  }

  /** On the monotonic clock. */
  rulesReadAtMs(sensorRef: string): number | undefined {
    return this.#traces.get(sensorRef)?.rulesReadAtMs;
  }

  /** Verifies as `authenticate` does, and notes which token was used. */
  watching(authenticate: Authenticate): Authenticate {
    return async (token) => {
      const caller = await authenticate(token);
      if (caller?.role === "sensor") {
        const trace = this.#traceOf(caller.grant.sensorRef);
        trace.newestExpiryMs = Math.max(trace.newestExpiryMs, caller.expiresAtMs);
        trace.usedAtMs = this.#clock.monotonicMs();
      }
      return caller;
    };
  }

  /** For all routes added to `scope` after this call; callers are known by then. */
  watchReads(scope: FastifyInstance): void {
    scope.addHook("onRequest", async ({ method, routeOptions, caller }) => {
      if (caller.role !== "sensor" || method !== "GET" || !ruleListPath.test(routeOptions.url ?? "")) return;
      this.#traceOf(caller.grant.sensorRef).rulesReadAtMs = this.#clock.monotonicMs();
    });
  }

  #traceOf(sensorRef: string): Trace {
    const known = this.#traces.get(sensorRef);
    if (known !== undefined) return known;
    const trace: Trace = { newestExpiryMs: 0, usedAtMs: -Infinity, rulesReadAtMs: undefined };
    this.#traces.set(sensorRef, trace);
    const [oldest] = this.#traces.keys();
    if (this.#traces.size > tracesMax && oldest !== undefined) this.#traces.delete(oldest);
    return trace;
  }
}
