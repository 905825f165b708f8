/**
 * The protocol `poll`: the sensor is run at every slot of its schedule and prints what has happened.
 *
 * A run counts as a whole: only when it ended with a code that means success, in time, does what it printed become
 * events, and only then does its checkpoint count. What a failed run printed goes to the sensor's log. Runs never overlap, and the next one does not begin before
 * the events of the last are stored, so that it always gets the newest checkpoint.
 */
import { WorkSlices } from "../../concurrency/work-slices.ts";
import type { EndedRun, Exit } from "../../model/sensors/restart-policy.ts";
import { nextSlotMs, slotAfterRunMs, type PollSchedule } from "../../model/sensors/poll-schedule.ts";
import type { Child } from "../../processes/child.ts";
import { sleepUntil } from "../../time/sleep-until.ts";
import { readPollOutput } from "../output/poll-output.ts";
import { PrintedBytes } from "../output/printed-bytes.ts";
import { readStderr } from "./read-stderr.ts";
import type { Protocol, RunContext } from "./protocol.ts";

export interface PollOptions {
  readonly schedule: PollSchedule;
  /** Of one run. */
  readonly timeoutMs: number;
  readonly successExitCodes: readonly number[];
}

/** What the log gets of a failed run's output. */
const loggedLinesMax = 50;
const loggedBytesMax = 8 * 1024;

export function pollProtocol(options: PollOptions): Protocol {
  const { schedule } = options;
  return {
    nextRunMs: (earliestMs) => nextSlotMs(schedule, earliestMs),

    async run(context): Promise<EndedRun> {
      const { clock, stopping } = context;
      let hadSuccess = false;
      for (;;) {
        const beganMs = clock.monotonicMs();
        const exit = await runOnce(context, options);
        const isSuccess = hasSucceeded(exit, options);
        // How long one run lasted says nothing about the sensor's stability: only success forgives.
        if (!isSuccess || stopping.aborted) return { exit, uptimeMs: 0, hadSuccess };

        hadSuccess = true;
        const nextMs = slotAfterRunMs(schedule, beganMs, clock.monotonicMs());
        await sleepUntil(nextMs, clock, stopping);
        if (stopping.aborted) return { exit, uptimeMs: 0, hadSuccess };
      }
    },
  };
}

function hasSucceeded(exit: Exit, { successExitCodes }: PollOptions): boolean {
  return exit.kind === "exited" && successExitCodes.includes(exit.code);
}

async function runOnce(context: RunContext, options: PollOptions): Promise<Exit> {
  const { clock, launch, limits, served, stopping, output } = context;
  const started = await launch();
  if (started.kind === "unstarted") return started;

  await using child = started.child;
  const stop = (): void => child.stop();
  stopping.addEventListener("abort", stop, { once: true });
  if (stopping.aborted) stop();

  const { timeoutMs } = options;
  let cut: Exit | undefined;
  const cutShort = (why: Exit): void => {
    cut ??= why;
    child.stop();
  };
  const timer = new AbortController();
  const timedOut = sleepUntil(clock.monotonicMs() + timeoutMs, clock, timer.signal);
  void endAfter(timedOut, () => {
    if (!timer.signal.aborted) cutShort({ kind: "timed-out", timeoutMs });
  });

  const bytesMax = limits.pollOutputBytesMax;
  const stderrRead = readStderr(child, context);
  const printed = await outputOf(child, bytesMax, () => cutShort({ kind: "overflowed", bytesMax }));
  const ended = await child.exit;
  timer.abort();
  await child.closed;
  await stderrRead;
  stopping.removeEventListener("abort", stop);
  const exit = cut ?? ended;
  if (!hasSucceeded(exit, options)) {
    if (!stopping.aborted) context.log(excerptOfRun(printed));
    return exit;
  }

  const pieces = await readPollOutput(printed, {
    served,
    slices: new WorkSlices(),
    eventsMax: limits.pollEventsMax,
    eventBytesMax: limits.lineBytesMax,
  });
  if (pieces === undefined) return { kind: "too-many-events", eventsMax: limits.pollEventsMax };
  for await (const { decoded, text } of pieces) {
    if (!(await output.take(decoded, text, text.length))) break;
  }
  output.flush();
  return exit;
}

function excerptOfRun(printed: PrintedBytes): readonly string[] {
  const lines = printed.slice(0, Math.min(printed.length, loggedBytesMax)).toString().trimEnd().split("\n");
  if (lines.length === 1 && lines[0] === "") return [];
  const isWhole = printed.length <= loggedBytesMax && lines.length <= loggedLinesMax;
  const shown = lines.slice(0, loggedLinesMax).map((line) => `of the failed run: ${line}`);
  return isWhole ? shown : [...shown, `of the failed run: … (it printed ${printed.length} bytes)`];
}

async function endAfter(time: Promise<void>, end: () => void): Promise<void> {
  await time;
  end();
}

async function outputOf(child: Child, bytesMax: number, onOverflow: () => void): Promise<PrintedBytes> {
  const { promise, resolve } = Promise.withResolvers<PrintedBytes>();
  const kept = new PrintedBytes();
  child.stdout.on("data", (chunk: Buffer) => {
    if (kept.length + chunk.length <= bytesMax) kept.append(chunk);
    else onOverflow();
  });
  child.stdout.once("close", () => resolve(kept));
  return promise;
}
