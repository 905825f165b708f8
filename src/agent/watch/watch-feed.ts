/**
 * The display of `--watch`: a line for each event, match and sensor state change, up to a readable number a second.
 * The rest are only counted, so that the display does not slow down a worker at full speed.
 */
import type { ActivityEntry } from "../../telemetry/activity.ts";
import type { Clock } from "../../time/clock.ts";
import { feedLine } from "./feed-line.ts";
import type { FeedStyle } from "./feed-style.ts";

export interface WatchFeedOptions {
  /** Writes one line, including its line feed. */
  readonly write: (line: string) => void;
  /** Called for every line. */
  readonly style: () => FeedStyle;
  readonly clock: Clock;
}

const linesMax = 50;
const windowMs = 1_000;

type Left = Record<ActivityEntry["kind"], number>;

const nothingLeft: Readonly<Left> = { event: 0, enforcement: 0, sensor: 0 };

export class WatchFeed implements Disposable {
  readonly #options: WatchFeedOptions;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #linesShown = 0;
  #left: Left = { ...nothingLeft };
  /** Reports the omitted lines even if no activity follows. */
  #windowEnd: NodeJS.Timeout | undefined;

  constructor(options: WatchFeedOptions) {
    this.#options = options;
  }

  show(entry: ActivityEntry): void {
    const { write, style, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#windowStartMs >= windowMs) {
      this.#tellLeft();
      this.#windowStartMs = nowMs;
      this.#linesShown = 0;
    }
    if (this.#linesShown < linesMax) {
      this.#linesShown += 1;
      write(`${feedLine(entry, new Date(clock.nowMs()), style())}\n`);
      return;
    }
    this.#left[entry.kind] += 1;
    this.#windowEnd ??= setTimeout(() => this.#tellLeft(), windowMs).unref();
  }

  [Symbol.dispose](): void {
    this.#tellLeft();
  }

  #tellLeft(): void {
    clearTimeout(this.#windowEnd);
    this.#windowEnd = undefined;
    const { event, enforcement, sensor } = this.#left;
    if (event + enforcement + sensor === 0) return;
    this.#left = { ...nothingLeft };
    const numbers = [
      event === 0 ? [] : `events: ${event}`,
      enforcement === 0 ? [] : `matches: ${enforcement}`,
      sensor === 0 ? [] : `sensor changes: ${sensor}`,
    ].flat();
    this.#options.write(`          … not shown, ${numbers.join(", ")}\n`);
  }
}
