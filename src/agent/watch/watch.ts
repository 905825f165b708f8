/** `--watch`: shows a service's activity on stdout until disposed. */
import { counted } from "../../model/texts/counted.ts";
import { createLogSink } from "../../telemetry/log-sink.ts";
import type { Activity } from "../../telemetry/activity.ts";
import { systemClock } from "../../time/clock.ts";
import { feedStyleOf, painted } from "./feed-style.ts";
import { nonBlockingOutput } from "./non-blocking-output.ts";
import { WatchFeed } from "./watch-feed.ts";

export function watch(activity: Activity, workerName: string, environment: NodeJS.ProcessEnv): Disposable {
  const style = () => feedStyleOf(process.stdout, environment);
  const { write } = createLogSink({
    writeBytes: nonBlockingOutput(),
    describeLost: (lines) =>
      `          … ${counted(lines, "line")} ${lines === 1 ? "was" : "were"} lost because nobody read them\n`,
  });
  write(`${painted("strong", `events and matches of worker ${workerName}; Ctrl-C stops it`, style())}\n`);
  const feed = new WatchFeed({ write, style, clock: systemClock });
  const subscription = activity.subscribe((entry) => feed.show(entry));
  return {
    [Symbol.dispose]: () => {
      subscription[Symbol.dispose]();
      feed[Symbol.dispose]();
    },
  };
}
