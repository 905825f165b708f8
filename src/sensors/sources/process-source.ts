/**
 * A source whose events come from a program: the common part of all protocols between the agent and its programs.
 *
 * A process is launched with the newest checkpoint, and its pid, exit and stderr are reported. It has ended when it has
 * been reaped, its group is empty and both pipes are closed. Processes that left the group are found by the marker
 * among their variables: after the last process in any case, and after each one if the protocol asks for it.
 */
import type { Readable } from "node:stream";
import type { SensorRule } from "../../model/definitions.ts";
import type { EndedRun, Exit } from "../../model/sensors/restart-policy.ts";
import type { RuntimeAnswer } from "../../model/runtimes/runtime-offer.ts";
import type { Child } from "../../processes/child.ts";
import { linesOf } from "../../processes/lines.ts";
import { killMarked } from "../../processes/marked-processes.ts";
import type { ProgramToken } from "../access/program-token.ts";
import type { AssignedSensor } from "../assigned-sensor.ts";
import type { Launch, SensorLauncher } from "../launch/sensor-launcher.ts";
import type { Variables } from "../launch/sensor-variables.ts";
import type { ServedTriggers } from "../output/decoded-output.ts";
import type { Platform } from "../ports.ts";
import type { SensorLog } from "../report/sensor-log.ts";
import { logText } from "../report/stderr-tail.ts";
import type { Source, SourceContext } from "./source.ts";

export interface Program {
  readonly sensor: AssignedSensor;
  readonly runtime: RuntimeAnswer;
  readonly launcher: SensorLauncher;
  /** Null: this agent's sensors have no platform to talk to. */
  readonly platform: Platform | null;
  /** The sensor's own. */
  readonly log: Pick<SensorLog, "writeOutput">;
}

/** What one start of a program differs in from the others. */
export interface StartFacts {
  readonly rules: readonly SensorRule[];
  readonly variables: Variables;
}

/** How a protocol launches its processes. */
export interface LaunchTraits {
  /** Variables in addition to those of every sensor. */
  readonly variables: Variables;
  /** Whether to look for descendants that left the group after each process. */
  readonly isMarkerSought: boolean;
  /** Undefined: the protocol gives its processes tokens in another way, or there is no API. */
  readonly token?: ProgramToken | undefined;
}

export type EndedProcess<Result> =
  Extract<Exit, { kind: "unstarted" }> | { readonly kind: "ended"; readonly result: Result };

const logLineBytesMax = 64 * 1024;

export abstract class ProcessSource implements Source {
  protected readonly program: Program;
  readonly #traits: LaunchTraits;
  /** `NAME=value` by which its processes are found; unique to this source. */
  readonly #marker: string;
  /** Whether they have been looked for since the last process ended. */
  #isSwept = false;

  constructor(program: Program, traits: LaunchTraits) {
    this.program = program;
    this.#traits = traits;
    this.#marker = program.launcher.newMarker();
  }

  abstract nextRunMs(earliestMs: number): number;
  abstract run(context: SourceContext): Promise<EndedRun>;

  async close(): Promise<void> {
    if (!this.#isSwept) await killMarked(this.#marker);
    await this.#traits.token?.[Symbol.asyncDispose]();
  }

  /** Of no concern to programs that are restarted when their rules change, or get them at each run. */
  noteRulesChanged(): void {}

  /** No program of the agent's own protocols listens for rule changes. */
  deafSeconds(): number | undefined {
    return undefined;
  }

  protected get served(): ServedTriggers {
    const refs = this.program.sensor.definition.triggers.map((trigger) => trigger.ref);
    return { main: refs[0] ?? "", all: new Set(refs) };
  }

  /**
   * Runs one process from its launch to its end. It is asked to stop when the sensor should stop.
   *
   * @param read reads its stdout; resolves once it has exited
   * @param factsOf what this start differs in, asked just before it; by default the sensor's rules as they were assigned
   */
  protected async runProcess<Result>(
    context: SourceContext,
    read: (child: Child) => Promise<Result>,
    factsOf?: () => StartFacts | Promise<StartFacts>,
  ): Promise<EndedProcess<Result>> {
    const launched = await this.#launch(context, factsOf);
    if (launched.kind === "unstarted") return launched;

    const { stopping } = context;
    await using child = launched.child;
    const stop = (): void => child.stop();
    stopping.addEventListener("abort", stop, { once: true });
    if (stopping.aborted) stop();
    const stderrRead = logLines(child.stderr, context);
    const result = await read(child);
    await child.closed;
    this.#isSwept = this.#traits.isMarkerSought;
    await stderrRead;
    stopping.removeEventListener("abort", stop);
    return { kind: "ended", result };
  }

  async #launch(
    context: SourceContext,
    factsOf: (() => StartFacts | Promise<StartFacts>) | undefined,
  ): Promise<Launch> {
    const { sensor, runtime, launcher, log, platform } = this.program;
    const { isMarkerSought, variables, token } = this.#traits;
    const checkpoint = await context.checkpoint();
    const apiToken = await token?.current();
    const facts = await factsOf?.();
    this.#isSwept = false;
    const launch = await launcher.launch({
      sensor: facts === undefined ? sensor : { ...sensor, rules: facts.rules },
      runtime,
      checkpoint,
      marker: this.#marker,
      isMarkerSought,
      variables: {
        ...(platform === null ? {} : { ATTUNE_API_URL: platform.address.apiUrl }),
        ...(apiToken === undefined ? {} : { ATTUNE_API_TOKEN: apiToken.token }),
        ...variables,
        ...facts?.variables,
      },
      onWarning: context.warn,
      log: (lines) => log.writeOutput(lines),
      signal: context.stopping,
    });
    if (launch.kind === "started") {
      context.noteRunning({ pid: launch.child.pid });
      void noteExit(launch.child, context);
    }
    return launch;
  }
}

async function noteExit({ exit }: Child, { clock, noteFacts }: SourceContext): Promise<void> {
  const ended = await exit;
  noteFacts({
    pid: null,
    stoppedAt: new Date(clock.nowMs()),
    exitCode: ended.kind === "exited" ? ended.code : null,
    signal: ended.kind === "signalled" ? ended.signal : null,
  });
}

/** Copies a child's pipe to its log until the pipe closes. Never waits for anything else. */
export async function logLines(pipe: Readable, { log }: Pick<SourceContext, "log">): Promise<void> {
  for await (const lines of linesOf(pipe, logLineBytesMax)) log(lines.map(logText));
}
