/**
 * The protocol `poll`: the sensor is run at every slot of its schedule and prints what has happened.
 *
 * A run counts as a whole: only when it ended with code 0, in time, does what it printed become events,
 * and only then does its checkpoint count. Runs never overlap, and the next one does not begin before
 * the events of the last are stored, so that it always gets the newest checkpoint.
 */
import type { EndedRun, Exit } from "../../model/restart-policy.ts";
import { nextSlotMs, type PollSchedule } from "../../model/poll-schedule.ts";
import type { Child } from "../../processes/child.ts";
import { sleepUntil } from "../../time/sleep-until.ts";
import { decodePoll } from "../decode-output.ts";
import { readStderr } from "./read-stderr.ts";
import type { Protocol, RunContext } from "./protocol.ts";

/** @param timeoutMs of one run */
export function pollProtocol(schedule: PollSchedule, timeoutMs: number): Protocol {
  return {
    nextRunMs: (earliestMs) => nextSlotMs(schedule, earliestMs),

    async run(context): Promise<EndedRun> {
      const { clock, stopping } = context;
      let hadSuccess = false;
      for (;;) {
        const beganMs = clock.monotonicMs();
        const exit = await runOnce(context, timeoutMs);
        const isSuccess = exit.kind === "exited" && exit.code === 0;
        // How long one run lasted says nothing about the sensor's stability: only success forgives.
        if (!isSuccess || stopping.aborted) return { exit, uptimeMs: 0, hadSuccess };

        hadSuccess = true;
        // Strictly after the slot that this run began in, also if a timer was early or the run took no time.
        const nextMs = nextSlotMs(schedule, Math.max(clock.monotonicMs(), beganMs + 1));
        await sleepUntil(nextMs, clock, stopping);
        if (stopping.aborted) return { exit, uptimeMs: 0, hadSuccess };
      }
    },
  };
}

async function runOnce(context: RunContext, timeoutMs: number): Promise<Exit> {
  const { clock, launch, limits, served, stopping, output } = context;
  const started = await launch();
  if (started.kind === "unstarted") return started;

  await using child = started.child;
  const stop = (): void => child.stop();
  stopping.addEventListener("abort", stop, { once: true });
  if (stopping.aborted) stop();

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
  const exit = await child.exit;
  timer.abort();
  await child.closed;
  await stderrRead;
  stopping.removeEventListener("abort", stop);
  if (cut !== undefined) return cut;
  if (exit.kind !== "exited" || exit.code !== 0) return exit;

  for (const [decoded, text] of decodePoll(printed, served)) {
    if (!(await output.take(decoded, text, text.length))) break;
  }
  output.flush();
  return exit;
}

async function endAfter(time: Promise<void>, end: () => void): Promise<void> {
  await time;
  end();
}

async function outputOf(child: Child, bytesMax: number, onOverflow: () => void): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const kept: Buffer[] = [];
  let bytes = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= bytesMax) kept.push(chunk);
    else onOverflow();
  });
  child.stdout.once("close", () => resolve(Buffer.concat(kept)));
  return promise;
}
