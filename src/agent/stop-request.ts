/**
 * The wish that this process end, told by SIGINT, SIGTERM or, from a terminal that closes, SIGHUP: heard from when
 * this is made, and kept until somebody asks. Under nohup a terminal that closes is none of our business.
 *
 * What comes sooner after the first signal than a person could is no second one: a terminal signals a whole
 * group of processes, and those in it that watch over others (npm, timeout, an init) hand the signal on as well.
 */
import { once } from "node:events";

const stopSignals = ["SIGINT", "SIGTERM"] as const;
const echoMs = 50;

export class StopRequest implements Disposable {
  readonly #controller = new AbortController();
  /** Resolves with the first signal. */
  readonly made: Promise<unknown> = once(this.#controller.signal, "abort");
  readonly #complain: (text: string) => void;
  readonly #signals: readonly NodeJS.Signals[];
  #madeAtMs: number | undefined;

  /** @param complain is told when a second signal ends the process */
  constructor(complain: (text: string) => void, { ignoresHangup = false } = {}) {
    this.#complain = complain;
    this.#signals = ignoresHangup ? stopSignals : [...stopSignals, "SIGHUP"];
    for (const signal of this.#signals) process.on(signal, this.#hear);
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const signal of this.#signals) process.off(signal, this.#hear);
  }

  readonly #hear = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    if (this.#madeAtMs === undefined) {
      this.#madeAtMs = nowMs;
      this.#controller.abort();
    } else if (nowMs - this.#madeAtMs >= echoMs) {
      this.#complain(`ended at once by a second signal (${signal}); sensors were not waited for\n`);
      process.exit(1);
    }
  };
}
