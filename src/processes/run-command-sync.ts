/**
 * Runs a short command to completion while nothing else happens, for the moments before there is an
 * event loop to wait in: an interpreter is asked for its version at start.
 *
 * Never a shell, never the caller's stdin. The command leads its own session, so that what it forked
 * ends with it when its time is up. How it ended is a value; nothing is thrown.
 */
import type { StdioOptions } from "node:child_process";
import crossSpawn from "cross-spawn";
import { killGroup } from "./process-group.ts";

export interface SyncCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** Exactly this environment, nothing inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs: number;
  /** Bytes kept of stdout and of stderr, each. */
  readonly outputBytesMax: number;
}

export type CommandResult =
  | { readonly kind: "exited"; readonly code: number; readonly stdout: string; readonly stderr: string }
  | {
      readonly kind: "signalled";
      readonly signal: NodeJS.Signals;
      readonly stdout: string;
      readonly stderr: string;
    }
  /** Killed because its time was up, or because something it forked still held its output then. */
  | { readonly kind: "timed-out"; readonly stdout: string; readonly stderr: string }
  /** Killed because it printed more than allowed; what came first is kept. */
  | { readonly kind: "overflowed"; readonly stdout: string; readonly stderr: string }
  | { readonly kind: "unstarted"; readonly cause: NodeJS.ErrnoException };

export function runCommandSync(command: SyncCommand): CommandResult {
  const { file, args, env, cwd, timeoutMs, outputBytesMax } = command;
  const options = {
    env: { ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ["ignore", "pipe", "pipe"] satisfies StdioOptions,
    timeout: timeoutMs,
    killSignal: "SIGKILL" as const,
    maxBuffer: outputBytesMax,
    // The types of the synchronous variant do not know it, but it is honoured: a new session.
    detached: true,
  };
  const ended = crossSpawn.sync(file, args, options);

  // cross-spawn puts null where Node leaves the error out.
  const cause: NodeJS.ErrnoException | undefined = ended.error ?? undefined;
  const wasCutShort = cause?.code === "ETIMEDOUT" || cause?.code === "ENOBUFS";
  if (cause !== undefined && !wasCutShort) return { kind: "unstarted", cause };

  const output = { stdout: textOf(ended.stdout), stderr: textOf(ended.stderr) };
  if (wasCutShort) {
    // Only its descendants can still be in the group of that number; the kernel does not give it away before.
    killGroup(ended.pid);
    return { kind: cause?.code === "ETIMEDOUT" ? "timed-out" : "overflowed", ...output };
  }
  if (ended.signal !== null) return { kind: "signalled", signal: ended.signal, ...output };
  return { kind: "exited", code: ended.status ?? 0, ...output };
}

function textOf(bytes: Buffer | string | null): string {
  return bytes === null ? "" : bytes.toString();
}
