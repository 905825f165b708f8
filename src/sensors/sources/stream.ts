/**
 * The protocol `stream`: one long-running process, each line of its stdout an event.
 *
 * The pipe is read only as fast as events find room; see event-intake.ts. When the process is asked to stop, its output
 * is read during its grace period, so that its last events are not lost.
 */
import { settlesWithin } from "../../concurrency/settles-within.ts";
import { WorkSlices } from "../../concurrency/work-slices.ts";
import type { EndedRun, Exit } from "../../model/sensors/restart-policy.ts";
import type { Child } from "../../processes/child.ts";
import type { ProgramToken } from "../access/program-token.ts";
import { linesOf, type Line } from "../../processes/lines.ts";
import type { DecodedOutput, ServedTriggers } from "../output/decoded-output.ts";
import { StreamOutput, type DecodedLine } from "../output/stream-output.ts";
import { ProcessSource, type Program } from "./process-source.ts";
import type { SourceContext } from "./source.ts";

export interface StreamOptions {
  readonly lineBytesMax: number;
  /** Undefined: there is no API. */
  readonly token: ProgramToken | undefined;
}

/** Time limit between closing stdout and exiting: such a sensor can report nothing more and is ended. */
const exitAfterOutputMs = 1_000;

export class StreamSource extends ProcessSource {
  readonly #options: StreamOptions;

  constructor(program: Program, options: StreamOptions) {
    super(program, { variables: {}, isMarkerSought: true, token: options.token });
    this.#options = options;
  }

  override nextRunMs(earliestMs: number): number {
    return earliestMs;
  }

  override async run(context: SourceContext): Promise<EndedRun> {
    const { clock, stopping, abandoned } = context;
    const listening = new AbortController();
    let plannedFor: string | undefined;
    const run = await this.runProcess(context, async (child) => {
      const startedMs = clock.monotonicMs();
      const stopOutlived = async (): Promise<void> => {
        if (!(await this.#options.token?.isOutlived(listening.signal))) return;
        plannedFor = "its token is about to expire, and it has not refreshed it";
        child.stop();
      };
      void stopOutlived();
      const endedMs = child.exit.then(() => clock.monotonicMs());
      const abandon = (): void => void child.stdout.destroy();
      abandoned.addEventListener("abort", abandon, { once: true, signal: listening.signal });
      await readEvents(child, context, this.served, this.#options);
      const exit = await exitOf(child, stopping);
      return { exit, uptimeMs: (await endedMs) - startedMs };
    });
    listening.abort();
    if (run.kind === "unstarted") return { exit: run, uptimeMs: 0, hadSuccess: false };
    const ended = { ...run.result, hadSuccess: false };
    return plannedFor === undefined ? ended : { ...ended, plannedFor };
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
    // Characters instead of bytes: close enough for a bound, and free.
    return output.take(decoded, text, text.length);
  };
  for await (const lines of linesOf(child.stdout, lineBytesMax)) {
    noteOutput();
    for (const line of lines) {
      // Awaits only if necessary: for most events an extra tick would be the main cost.
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

/** The cost of decoding and submitting a line in addition to its characters, and of rejecting it. */
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
