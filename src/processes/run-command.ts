/**
 * Runs a command to completion, bounded in time and output.
 *
 * Uses no shell and no stdin. The command leads its own session, so that everything it forks ends with it.
 * How it ended is a value; nothing is thrown.
 */
import type { Readable } from "node:stream";
import { startChild, type Child } from "./child.ts";

/** How long a command may take to stop before it is killed. */
const graceMs = 500;

export interface BoundedCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** Exactly this environment, nothing inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs: number;
  /** Bytes kept of each of stdout and stderr. */
  readonly outputBytesMax: number;
}

interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

export type CommandResult =
  | ({ readonly kind: "exited"; readonly code: number } & Output)
  | ({ readonly kind: "signalled"; readonly signal: NodeJS.Signals } & Output)
  /** Stopped because it ran out of time. */
  | ({ readonly kind: "timed-out" } & Output)
  /** Stopped because it printed more than allowed; the first part is kept. */
  | ({ readonly kind: "overflowed" } & Output)
  | { readonly kind: "unstarted"; readonly cause: NodeJS.ErrnoException };

/**
 * @param signal stops the command; the result is then `timed-out`
 * @param onStart called with the process, for example to have it guarded
 */
export async function runCommand(
  command: BoundedCommand,
  signal?: AbortSignal,
  onStart?: (child: Child) => void,
): Promise<CommandResult> {
  const { timeoutMs, outputBytesMax, ...rest } = command;
  const start = await startChild({ ...rest, graceMs });
  if (start.kind === "unstarted") return start;

  await using child = start.child;
  onStart?.(child);
  let cut: "timed-out" | "overflowed" | undefined;
  const cutShort = (why: typeof cut): void => {
    cut ??= why;
    child.stop();
  };
  const timer = setTimeout(() => cutShort("timed-out"), timeoutMs);
  const abort = (): void => cutShort("timed-out");
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();

  const [stdout, stderr] = await Promise.all(
    [child.stdout, child.stderr].map((pipe) => textOf(pipe, outputBytesMax, () => cutShort("overflowed"))),
  );
  const exit = await child.exit;
  clearTimeout(timer);
  signal?.removeEventListener("abort", abort);

  const output = { stdout: stdout ?? "", stderr: stderr ?? "" };
  return cut === undefined ? { ...exit, ...output } : { kind: cut, ...output };
}

/** The pipe's output up to `bytesMax`; the rest is read and discarded, so that the writer never blocks. */
async function textOf(pipe: Readable, bytesMax: number, onOverflow: () => void): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const kept: Buffer[] = [];
  let bytes = 0;
  pipe.on("data", (chunk: Buffer) => {
    if (bytes < bytesMax) kept.push(chunk.subarray(0, bytesMax - bytes));
    bytes += chunk.length;
    if (bytes > bytesMax) onOverflow();
  });
  pipe.once("close", () => resolve(Buffer.concat(kept).toString("utf8")));
  return promise;
}
