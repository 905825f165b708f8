/**
 * A child process and everything it spawned, owned by the scope that started it.
 *
 * The child leads its own session and process group. It ends in three steps:
 *
 *   running ──leader exits──▶ rest of group told to stop ──none running──▶ pipes drained ──▶ closed
 *
 * - The leader exits on its own or because of `stop`. Either way the rest of its group gets SIGTERM and,
 *   `graceMs` after the first SIGTERM, SIGKILL. So if a wrapper script dies at once, the program it started
 *   still has the full time to finish.
 * - Processes that left the group (setsid) are found by the marker in their environment and killed.
 * - The pipes are then read to their end, however slow the reader is. If an unknown process still holds one
 *   open, our end is closed after `pipeIdleMs` without data.
 *
 * A group is signalled only while its leader is unreaped, or while its number cannot have been reused
 * (`isGroupLeft`).
 *
 * Processes live in real time, so no Clock is used here.
 */
import type { ChildProcess } from "node:child_process";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import crossSpawn from "cross-spawn";
import { killMarked } from "./marked-processes.ts";
import { closeEnds, openOutputPipes } from "./output-pipes.ts";
import { isGroupLeft, killWaitMs, signalGroup } from "./process-group.ts";
import { isGroupRunning } from "./process-table.ts";

export interface ChildCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** Exactly this environment, nothing inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Time between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** `NAME=value` of an entry of `env` unique to this child, used to find processes that left the group. */
  readonly marker?: string;
}

export type Start =
  | { readonly kind: "started"; readonly child: Child }
  | { readonly kind: "unstarted"; readonly cause: NodeJS.ErrnoException };

/** How the group's leader ended. */
export type ChildExit =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signalled"; readonly signal: NodeJS.Signals };

const groupPollMsMax = 100;
const pipeIdleMs = 500;
const pipeIdleLooks = 10;

/** Starts without a shell and with stdin closed. Never rejects. */
export async function startChild(command: ChildCommand): Promise<Start> {
  const { file, args, cwd, env } = command;
  const pipes = openOutputPipes();
  if (pipes.kind === "unopened") return { kind: "unstarted", cause: pipes.cause };
  const { readers, writers } = pipes;
  let spawned: ChildProcess;
  try {
    spawned = crossSpawn(file, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...env },
      detached: true,
      stdio: ["ignore", writers.stdout, writers.stderr],
    });
  } catch (error) {
    closeEnds(readers);
    // Node emits some start errors (ENOENT, EACCES) and throws others (E2BIG, ENOEXEC).
    if (error instanceof Error) return { kind: "unstarted", cause: error };
    throw error;
  } finally {
    // Only the child's copies may stay open, or our ends would never read the end of the output.
    closeEnds(writers);
  }
  const { pid } = spawned;
  if (pid === undefined) {
    closeEnds(readers);
    const { promise, resolve } = Promise.withResolvers<Start>();
    spawned.once("error", (cause) => resolve({ kind: "unstarted", cause }));
    return promise;
  }
  const outputs = { stdout: readerOf(readers.stdout), stderr: readerOf(readers.stderr) };
  return { kind: "started", child: new Child(spawned, { pid, ...outputs }, command) };
}

/** A pipe as a stream that owns its descriptor. */
function readerOf(fd: number): Readable {
  return new Socket({ fd, readable: true, writable: false });
}

interface StartedProcess {
  readonly pid: number;
  readonly stdout: Readable;
  readonly stderr: Readable;
}

export class Child implements AsyncDisposable {
  readonly pid: number;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles once the leader has been reaped; never rejects. */
  readonly exit: Promise<ChildExit>;
  /** Settles once nothing of the group is left and both pipes are closed; never rejects. */
  readonly closed: Promise<void>;
  readonly #graceMs: number;
  readonly #marker: string | undefined;
  #isReaped = false;
  #isGone = false;
  #killTimer: NodeJS.Timeout | undefined;
  #isAsked = false;

  constructor(spawned: ChildProcess, { pid, stdout, stderr }: StartedProcess, command: ChildCommand) {
    this.pid = pid;
    this.stdout = stdout;
    this.stderr = stderr;
    this.#graceMs = command.graceMs;
    this.#marker = command.marker;
    // Node also emits this event if a signal cannot be sent; process.kill reports that already.
    spawned.on("error", () => {});
    const pipesClosed = Promise.all([closeOf(stdout), closeOf(stderr)]);
    this.exit = this.#watch(spawned);
    this.closed = this.#close(pipesClosed);
  }

  /** Sends SIGTERM to the group now, and SIGKILL after the grace period. Idempotent. */
  stop(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#signal("SIGTERM");
    this.#killTimer = setTimeout(() => this.kill(), this.#graceMs);
  }

  /** Sends SIGKILL to the group at once. */
  kill(): void {
    this.#isAsked = true;
    this.#signal("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.closed;
  }

  #watch(spawned: ChildProcess): Promise<ChildExit> {
    const { promise, resolve } = Promise.withResolvers<ChildExit>();
    spawned.once("exit", (code, signal) => {
      this.#isReaped = true;
      if (this.#hasRemains()) this.stop();
      resolve(signal === null ? { kind: "exited", code: code ?? 0 } : { kind: "signalled", signal });
    });
    return promise;
  }

  async #close(pipesClosed: Promise<unknown>): Promise<void> {
    await this.exit;
    // Output that nobody asked for is discarded, so that it does not hold the pipe open.
    for (const pipe of [this.stdout, this.stderr]) if (pipe.readableFlowing === null) pipe.resume();
    const deadlineMs = performance.now() + this.#graceMs + killWaitMs;
    for (let pauseMs = 5; performance.now() < deadlineMs; pauseMs = Math.min(pauseMs * 2, groupPollMsMax)) {
      if (!this.#hasRemains() || !(await isGroupRunning(this.pid))) break;
      await sleep(pauseMs);
    }
    // Nothing is left to stop, so later calls of `stop` must not start a timer.
    this.#isAsked = true;
    clearTimeout(this.#killTimer);
    if (this.#marker !== undefined) await killMarked(this.#marker);

    const idle = new AbortController();
    void closeWhenIdle(this.stdout, idle.signal);
    void closeWhenIdle(this.stderr, idle.signal);
    await pipesClosed;
    idle.abort();
  }

  /** Whether the reaped leader left others behind in its group. */
  #hasRemains(): boolean {
    // Remember that the group is gone, because its number may be reused.
    this.#isGone ||= !isGroupLeft(this.pid);
    return !this.#isGone;
  }

  #signal(signal: NodeJS.Signals): void {
    if (!this.#isReaped || this.#hasRemains()) signalGroup(this.pid, signal);
  }
}

/**
 * Closes a pipe that delivers no data. An empty buffer means that the pipe is empty, because with a slow
 * reader the buffer would be full. A few checks are enough, since only the reader empties it.
 */
async function closeWhenIdle(pipe: Readable, signal: AbortSignal): Promise<void> {
  let idleLooks = 0;
  while (idleLooks < pipeIdleLooks) {
    await sleep(pipeIdleMs / pipeIdleLooks);
    if (pipe.closed || signal.aborted) return;
    idleLooks = pipe.readableLength === 0 ? idleLooks + 1 : 0;
  }
  pipe.destroy();
}

function closeOf(stream: Readable): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // A broken pipe ends reading like any other end; the exit status tells what happened.
  stream.on("error", () => {});
  stream.once("close", resolve);
  return promise;
}
