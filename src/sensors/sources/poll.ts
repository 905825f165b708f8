/**
 * The protocol `poll`: the sensor runs at every slot of its schedule and prints what has happened.
 *
 * A run counts as a whole: its output becomes events, and its checkpoint counts, only if it ends in time with an exit
 * code that means success. The output of a failed run goes to the sensor's log. Runs never overlap, and the next one
 * does not start before the events of the last are stored, so that it always gets the newest checkpoint.
 *
 * Each run gets the rules of its start. A change of rules affects no run in progress: its output would be lost. While the
 * database cannot be asked, the rules that were last read are as good; a run needs nothing else of it.
 */
import { WorkSlices } from "../../concurrency/work-slices.ts";
import type { SensorDefinition, SensorRule } from "../../model/definitions.ts";
import type { EndedRun, Exit } from "../../model/sensors/restart-policy.ts";
import { nextSlotMs, phaseOf, slotAfterRunMs, type PollSchedule } from "../../model/sensors/poll-schedule.ts";
import type { Child } from "../../processes/child.ts";
import { sleepUntil } from "../../time/sleep-until.ts";
import type { ProgramToken } from "../access/program-token.ts";
import type { Variables } from "../launch/sensor-variables.ts";
import type { SensorLimits } from "../limits.ts";
import { readPollOutput } from "../output/poll-output.ts";
import { PrintedBytes } from "../output/printed-bytes.ts";
import { ProcessSource, type Program, type StartFacts } from "./process-source.ts";
import type { SourceContext } from "./source.ts";

export interface PollOptions {
  readonly limits: SensorLimits;
  /** Time of the first run on the monotonic clock. */
  readonly nowMs: number;
  /** Where in its interval the schedule then begins; see model/sensors/poll-schedule.ts. */
  readonly phase: number;
  /** Undefined: there is no API. */
  readonly token: ProgramToken | undefined;
  /** The sensor's rules now. Rejects while the database cannot be asked. */
  readonly readRules: () => Promise<readonly SensorRule[]>;
}

/** Spreads the schedules of a worker's poll sensors over their intervals. */
export class PollPhases {
  #count = 0;

  next(): number {
    return phaseOf(this.#count++);
  }
}

interface FinishedProcess {
  readonly exit: Exit;
  readonly printed: PrintedBytes;
}

/** How much of a failed run's output is logged. */
const loggedLinesMax = 50;
const loggedBytesMax = 8 * 1024;

export class PollSource extends ProcessSource {
  readonly #limits: SensorLimits;
  readonly #schedule: PollSchedule;
  /** Of one run. */
  readonly #timeoutMs: number;
  readonly #successExitCodes: readonly number[];
  readonly #readRules: PollOptions["readRules"];
  /** As last read. */
  #rules: readonly SensorRule[];

  constructor(program: Program, { limits, nowMs, phase, token, readRules }: PollOptions) {
    const { definition } = program.sensor;
    // Processes that left the group are searched for when the sensor stops; doing so after each run would cost too much.
    super(program, { variables: pollVariables(definition), isMarkerSought: false, token });
    const { pollIntervalSeconds, timeoutSeconds, successExitCodes } = definition;
    const intervalMs = pollIntervalSeconds === null ? limits.pollIntervalMs : pollIntervalSeconds * 1_000;
    this.#limits = limits;
    this.#schedule = { anchorMs: nowMs + phase * intervalMs, intervalMs };
    this.#timeoutMs = timeoutSeconds === null ? limits.pollTimeoutMs : timeoutSeconds * 1_000;
    this.#successExitCodes = successExitCodes;
    this.#readRules = readRules;
    this.#rules = program.sensor.rules;
  }

  override nextRunMs(earliestMs: number): number {
    return nextSlotMs(this.#schedule, earliestMs);
  }

  override async run(context: SourceContext): Promise<EndedRun> {
    const { clock, stopping } = context;
    let hadSuccess = false;
    for (;;) {
      const beganMs = clock.monotonicMs();
      const exit = await this.#runOnce(context);
      // The duration of a run says nothing about the sensor's stability: only success resets the failure count.
      if (!this.#hasSucceeded(exit) || stopping.aborted) return { exit, uptimeMs: 0, hadSuccess };

      hadSuccess = true;
      const nextMs = slotAfterRunMs(this.#schedule, beganMs, clock.monotonicMs());
      await sleepUntil(nextMs, clock, stopping);
      if (stopping.aborted) return { exit, uptimeMs: 0, hadSuccess };
    }
  }

  #hasSucceeded(exit: Exit): boolean {
    return exit.kind === "exited" && this.#successExitCodes.includes(exit.code);
  }

  async #runOnce(context: SourceContext): Promise<Exit> {
    const run = await this.runProcess(
      context,
      (child) => this.#finish(child, context),
      () => this.#startFacts(),
    );
    if (run.kind === "unstarted") return run;

    const { exit, printed } = run.result;
    if (this.#hasSucceeded(exit)) return (await this.#submitPrinted(printed, context)) ?? exit;
    if (!context.stopping.aborted) this.program.log.writeOutput(excerptOfRun(printed));
    return exit;
  }

  async #startFacts(): Promise<StartFacts> {
    this.#rules = await this.#readRules().catch(() => this.#rules);
    return { rules: this.#rules, variables: {} };
  }

  /** Reads all output until the process exits, and ends it if it takes too long or prints too much. */
  async #finish(child: Child, { clock }: SourceContext): Promise<FinishedProcess> {
    const timeoutMs = this.#timeoutMs;
    const bytesMax = this.#limits.pollOutputBytesMax;
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

    const printed = await outputOf(child, bytesMax, () => cutShort({ kind: "overflowed", bytesMax }));
    const ended = await child.exit;
    timer.abort();
    return { exit: cut ?? ended, printed };
  }

  /** @returns why the run does not count, or undefined */
  async #submitPrinted(printed: PrintedBytes, { output }: SourceContext): Promise<Exit | undefined> {
    const eventsMax = this.#limits.pollEventsMax;
    const pieces = await readPollOutput(printed, {
      served: this.served,
      slices: new WorkSlices(),
      eventsMax,
      eventBytesMax: this.#limits.lineBytesMax,
    });
    if (pieces === undefined) return { kind: "too-many-events", eventsMax };
    for await (const { decoded, text } of pieces) {
      if (!(await output.take(decoded, text, text.length))) break;
    }
    output.flush();
    return undefined;
  }
}

function pollVariables({ ref, triggers, config }: SensorDefinition): Variables {
  return {
    SENSOR_REF: ref,
    TRIGGER_REF: triggers[0]?.ref ?? "",
    SENSOR_CONFIG: JSON.stringify(config),
  };
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
