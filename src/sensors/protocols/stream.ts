/**
 * The protocol `stream`: one long-running process, each line of its stdout an event.
 *
 * The pipe is read only as fast as events find room; see event-intake.ts. When told to stop, the process
 * has its grace while its output is still read, so that what it says last is not lost.
 */
import { settlesWithin } from "../../concurrency/settles-within.ts";
import type { EndedRun, Exit } from "../../model/restart-policy.ts";
import type { Child } from "../../processes/child.ts";
import { linesOf } from "../../processes/lines.ts";
import { decodeLine } from "../decode-output.ts";
import { readStderr } from "./read-stderr.ts";
import type { Protocol, RunContext } from "./protocol.ts";

/** Between closing stdout and exiting; beyond it the sensor can say nothing more and is ended. */
const exitAfterOutputMs = 1_000;

export const streamProtocol: Protocol = {
  nextRunMs: (earliestMs) => earliestMs,

  async run(context) {
    const { clock, launch, stopping, abandoned } = context;
    const started = await launch();
    if (started.kind === "unstarted") return { exit: started, uptimeMs: 0, hadSuccess: false };

    await using child = started.child;
    const startedMs = clock.monotonicMs();
    const endedMs = child.exit.then(() => clock.monotonicMs());
    const stop = (): void => child.stop();
    const abandon = (): void => void child.stdout.destroy();
    stopping.addEventListener("abort", stop, { once: true });
    abandoned.addEventListener("abort", abandon, { once: true });
    if (stopping.aborted) stop();

    const stderrRead = readStderr(child, context);
    await readEvents(child, context);
    const exit = await exitOf(child, stopping);
    await child.closed;
    await stderrRead;
    stopping.removeEventListener("abort", stop);
    abandoned.removeEventListener("abort", abandon);
    return { exit, uptimeMs: (await endedMs) - startedMs, hadSuccess: false } satisfies EndedRun;
  },
};

async function readEvents(child: Child, context: RunContext): Promise<void> {
  const { limits, served, output } = context;
  for await (const lines of linesOf(child.stdout, limits.lineBytesMax)) {
    for (const line of lines) {
      const text = typeof line === "string" ? line : line.excerpt;
      // Characters for bytes: near enough for a bound, and free.
      const taken = output.take(decodeLine(line, served), text, text.length);
      const isTaken = typeof taken === "boolean" ? taken : await taken;
      if (!isTaken) return;
    }
    output.flush();
  }
}

async function exitOf(child: Child, stopping: AbortSignal): Promise<Exit> {
  const hasEnded = await settlesWithin(child.exit, exitAfterOutputMs);
  if (hasEnded || stopping.aborted) return child.exit;
  child.stop();
  await child.exit;
  return { kind: "closed-output" };
}
