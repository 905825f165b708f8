/**
 * A server in the background: start it, say `<name> is ready` once it answers, and keep it until
 * SIGTERM or SIGINT. When the server ends by itself this process ends too, with 1, so that its pid
 * tells the truth.
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
    say(`${name} ended by itself`);
    process.exitCode = 1;
  }
  say(`${name} stops`);
}

function say(text: string): void {
  process.stdout.write(`${new Date().toISOString()} ${text}\n`);
}
