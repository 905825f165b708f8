/**
 * The protocol `stream`: one long-running process, each line of its stdout an event.
 *
 * The pipe is read only as fast as events find room; see event-intake.ts. When told to stop, the process
 * has its grace while its output is still read, so that what it says last is not lost.
 */
import { settlesWithin } from "../../concurrency/settles-within.ts";
import { WorkSlices } from "../../concurrency/work-slices.ts";
import type { EndedRun, Exit } from "../../model/sensors/restart-policy.ts";
import type { Child } from "../../processes/child.ts";
import { linesOf, type Line } from "../../processes/lines.ts";
import type { DecodedOutput, ServedTriggers } from "../output/decoded-output.ts";
import { StreamOutput, type DecodedLine } from "../output/stream-output.ts";
import { ProcessSource, type Program } from "./process-source.ts";
import type { SourceContext } from "./source.ts";

export interface StreamOptions {
  readonly lineBytesMax: number;
}

/** Between closing stdout and exiting; beyond it the sensor can say nothing more and is ended. */
const exitAfterOutputMs = 1_000;

export class StreamSource extends ProcessSource {
  readonly #options: StreamOptions;

  constructor(program: Program, options: StreamOptions) {
    super(program, { variables: {}, isMarkerSought: true });
    this.#options = options;
  }

  override nextRunMs(earliestMs: number): number {
    return earliestMs;
  }

  override async run(context: SourceContext): Promise<EndedRun> {
    const { clock, stopping, abandoned } = context;
    const listening = new AbortController();
    const run = await this.runProcess(context, async (child) => {
      const startedMs = clock.monotonicMs();
      const endedMs = child.exit.then(() => clock.monotonicMs());
      const abandon = (): void => void child.stdout.destroy();
      abandoned.addEventListener("abort", abandon, { once: true, signal: listening.signal });
      await readEvents(child, context, this.served, this.#options);
      const exit = await exitOf(child, stopping);
      return { exit, uptimeMs: (await endedMs) - startedMs };
    });
    listening.abort();
    if (run.kind === "unstarted") return { exit: run, uptimeMs: 0, hadSuccess: false };
    return { ...run.result, hadSuccess: false };
  }
}

async function readEvents(
  child: Child,
  { output, noteOutput }: SourceContext,
  served: ServedTriggers,
  { lineBytesMax }: StreamOptions,
): Promise<void> {
  const stream = new StreamOutput(served);
  const slices = new WorkSlices();
  const take = ({ line, decoded }: DecodedLine): Promise<boolean> | boolean => {
    const text = typeof line === "string" ? line : line.excerpt;
    // Characters for bytes: near enough for a bound, and free.
    return output.take(decoded, text, text.length);
  };
  for await (const lines of linesOf(child.stdout, lineBytesMax)) {
    noteOutput();
    for (const line of lines) {
      // Nothing is awaited that need not be: a tick per event is what most of them would cost.
      if (stream.canDecode(line)) {
        const decoded = stream.decode(line);
        const taken = take({ line, decoded });
        if (typeof taken === "boolean" ? !taken : !(await taken)) return;
        const pause = slices.spend(workOf(line, decoded));
        if (pause !== undefined) await pause;
        continue;
      }
      for (const each of await stream.decodeAny(line, slices)) if (!(await take(each))) return;
      await slices.spend(lineWork);
    }
    output.flush();
  }
  for (const each of stream.end()) await take(each);
  output.flush();
}

/** What decoding and taking a line costs beside its characters, and what being told why it is no event does. */
const lineWork = 512;
const rejectionWork = 4_096;

function workOf(line: Line, { kind }: DecodedOutput): number {
  const characters = typeof line === "string" ? line.length : 0;
  return characters + (kind === "rejected" ? rejectionWork : lineWork);
}

async function exitOf(child: Child, stopping: AbortSignal): Promise<Exit> {
  const hasEnded = await settlesWithin(child.exit, exitAfterOutputMs);
  if (hasEnded || stopping.aborted) return child.exit;
  child.stop();
  await child.exit;
  return { kind: "closed-output" };
}
