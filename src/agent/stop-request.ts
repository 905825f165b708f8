/**
 * A request to stop this process by SIGINT, SIGTERM or SIGHUP (the terminal closed). The handlers are installed on
 * construction, so no early signal is missed. Under nohup, SIGHUP is ignored.
 *
 * A signal within 50 ms of the first is an echo, not a second request: a terminal signals a whole process group,
 * and supervisors in that group (npm, timeout, an init) forward the signal as well.
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

  /** @param complain called when a second signal ends the process */
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
      this.#complain(`ended at once by a second signal (${signal}), without waiting for sensors to stop\n`);
      process.exit(1);
    }
  };
}
