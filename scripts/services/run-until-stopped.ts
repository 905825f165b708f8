/**
 * Runs a background server: starts it, prints `<name> is ready` once it answers, and keeps it running until SIGTERM
 * or SIGINT. If the server ends on its own, this process exits with 1, so that its pid stays meaningful.
 */
import { setTimeout as delay } from "node:timers/promises";
import { isRunning } from "./is-running.ts";

export interface BackgroundServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number | undefined;
}

const watchIntervalMs = 500;

export async function runUntilStopped(name: string, start: () => Promise<BackgroundServer>): Promise<void> {
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stopping.abort());

  await using server = await start();
  say(`${name} is ready at ${new URL(server.url).host}`);
  while (!stopping.signal.aborted && server.pid !== undefined && isRunning(server.pid)) {
    await delay(watchIntervalMs, undefined, { signal: stopping.signal }).catch(() => undefined);
  }
  if (!stopping.signal.aborted) {
    say(`${name} ended unexpectedly`);
    process.exitCode = 1;
  }
  say(`${name} is stopping`);
}

function say(text: string): void {
  process.stdout.write(`${new Date().toISOString()} ${text}\n`);
}
