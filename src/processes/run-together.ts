/**
 * Runs several commands at a time, blocking this process until all have ended. As in run-command.ts, each is
 * bounded in time and output, and everything it forks ends with it. Unlike there, commands are killed without
 * SIGTERM first, since they only print a line and have nothing to clean up.
 *
 *   waiting ──▶ running ──leader ends──▶ draining ──pipes closed──▶ ended
 *      │           │                        └─ after drainMs our ends are closed
 *      │           └─ out of time, or too much output: its group is killed, and abandoned after killWaitMs
 *      └─ cannot be started ──▶ ended
 *
 * A command takes at most timeoutMs + killWaitMs + drainMs; all together take that times their number, divided by
 * how many run at a time. If this process is killed meanwhile, a hanging command is left behind.
 */
import { closeSync, readSync } from "node:fs";
import type { ChildExit } from "./child.ts";
import { awaitInput, reapedExit, type StartedProgram, startProgram } from "./posix.ts";
import { isGroupLeft, killWaitMs, signalGroup } from "./process-group.ts";
import type { BoundedCommand, CommandResult } from "./run-command.ts";

/** How long an unknown process may hold a pipe open after its program has ended. */
const drainMs = 500;
/** How often to check for ended programs if the kernel has no pidfd_open. */
const lookEveryMs = 20;
const chunkBytes = 64 * 1024;

/** @param atOnceMax maximum number of commands running at a time */
export function runTogether(
  commands: readonly Omit<BoundedCommand, "cwd">[],
  atOnceMax: number,
): readonly CommandResult[] {
  const results: CommandResult[] = [];
  const waiting = [...commands.entries()];
  const running = new Map<number, Run>();
  for (;;) {
    while (running.size < atOnceMax) {
      const [next] = waiting.splice(0, 1);
      if (next === undefined) break;
      const [index, command] = next;
      const start = startProgram(command);
      if (start.kind === "unstarted") results[index] = start;
      else running.set(index, new Run(start.program, command));
    }
    if (running.size === 0) return results;

    const descriptors = [...running.values()].flatMap((run) => run.descriptors());
    const ready = awaitInput(descriptors, lookEveryMs);
    for (const [index, run] of running) {
      const result = run.advance(ready);
      if (result === undefined) continue;
      results[index] = result;
      running.delete(index);
    }
  }
}

interface Output {
  readonly descriptor: number;
  readonly kept: Buffer[];
  bytes: number;
  isOpen: boolean;
}

class Run {
  readonly #program: StartedProgram;
  readonly #outputBytesMax: number;
  readonly #stdout: Output;
  readonly #stderr: Output;
  /** When the current state ends, on the clock of nowMs. */
  #deadlineMs: number;
  #cut: "timed-out" | "overflowed" | undefined;
  #exit: ChildExit | undefined;

  constructor(
    program: StartedProgram,
    { timeoutMs, outputBytesMax }: Pick<BoundedCommand, "timeoutMs" | "outputBytesMax">,
  ) {
    this.#program = program;
    this.#outputBytesMax = outputBytesMax;
    this.#stdout = { descriptor: program.stdout, kept: [], bytes: 0, isOpen: true };
    this.#stderr = { descriptor: program.stderr, kept: [], bytes: 0, isOpen: true };
    this.#deadlineMs = nowMs() + timeoutMs;
  }

  /** The descriptors to wait for. */
  descriptors(): readonly number[] {
    const outputs = this.#openOutputs().map(({ descriptor }) => descriptor);
    const { end } = this.#program;
    return end === undefined || this.#exit !== undefined ? outputs : [...outputs, end];
  }

  /** Makes progress without blocking. Returns the result once the command has ended. */
  advance(ready: ReadonlySet<number>): CommandResult | undefined {
    for (const output of this.#openOutputs()) if (ready.has(output.descriptor)) this.#read(output);
    if (this.#exit === undefined) this.#lookForEnd();
    if (nowMs() >= this.#deadlineMs) this.#leaveState();
    return this.#exit !== undefined && this.#openOutputs().length === 0
      ? this.#resultOf(this.#exit)
      : undefined;
  }

  #openOutputs(): readonly Output[] {
    return [this.#stdout, this.#stderr].filter(({ isOpen }) => isOpen);
  }

  #read(output: Output): void {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    const bytes = readSync(output.descriptor, chunk);
    if (bytes === 0) return close(output);
    if (output.bytes < this.#outputBytesMax) {
      output.kept.push(chunk.subarray(0, Math.min(bytes, this.#outputBytesMax - output.bytes)));
    }
    output.bytes += bytes;
    if (output.bytes > this.#outputBytesMax) this.#cutShort("overflowed");
  }

  #lookForEnd(): void {
    const exit = reapedExit(this.#program.pid);
    if (exit === undefined) return;
    this.#drain(exit);
    if (isGroupLeft(this.#program.pid)) signalGroup(this.#program.pid, "SIGKILL");
  }

  #drain(exit: ChildExit): void {
    this.#exit = exit;
    this.#deadlineMs = nowMs() + drainMs;
    if (this.#program.end !== undefined) closeSync(this.#program.end);
  }

  #leaveState(): void {
    if (this.#exit === undefined && this.#cut === undefined) return this.#cutShort("timed-out");
    // A killed process that has not ended is left to the kernel.
    if (this.#exit === undefined) this.#drain({ kind: "signalled", signal: "SIGKILL" });
    for (const output of this.#openOutputs()) close(output);
  }

  #cutShort(why: "timed-out" | "overflowed"): void {
    if (this.#cut !== undefined) return;
    this.#cut = why;
    if (this.#exit !== undefined) return;
    this.#deadlineMs = nowMs() + killWaitMs;
    signalGroup(this.#program.pid, "SIGKILL");
  }

  #resultOf(exit: ChildExit): CommandResult {
    const output = { stdout: textOf(this.#stdout), stderr: textOf(this.#stderr) };
    return this.#cut === undefined ? { ...exit, ...output } : { kind: this.#cut, ...output };
  }
}

function close(output: Output): void {
  output.isOpen = false;
  closeSync(output.descriptor);
}

function textOf({ kept }: Output): string {
  return Buffer.concat(kept).toString("utf8");
}

/** A monotonic clock. Node's `performance` would load ten modules for the same. */
function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
