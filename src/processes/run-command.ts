/**
 * Runs a command to completion, bounded in time and output, while the rest of the service goes on.
 * The synchronous twin is run-command-sync.ts; both give the same kinds of result.
 */
import type { Readable } from "node:stream";
import { startChild } from "./child.ts";
import type { CommandResult, SyncCommand } from "./run-command-sync.ts";

/** How long a command that was told to stop may take to obey. */
const graceMs = 500;

/** @param signal stops the command; its result is then that of a command whose time was up */
export async function runCommand(command: SyncCommand, signal?: AbortSignal): Promise<CommandResult> {
  const { timeoutMs, outputBytesMax, ...rest } = command;
  const start = await startChild({ ...rest, graceMs });
  if (start.kind === "unstarted") return start;

  await using child = start.child;
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

/** What the pipe gave, up to `bytesMax`; what comes after is read and forgotten, so that the writer never blocks. */
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
