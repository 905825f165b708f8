/**
 * Something for the example sensors to observe: a growing log file with an occasional error, and a web server on
 * loopback whose /health fails from time to time. And a sender of webhooks.
 */
import { once } from "node:events";
import { appendFile, mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname } from "node:path";
import type { Clock } from "../../src/time/clock.ts";

const lineEveryMs = 700;
const healthyMs = 8_000;
const unhealthyMs = 4_000;
const greetingEveryMs = 12_000;
const greetingRetryMs = 1_000;

const logLines = [
  "info  served /basket in 12 ms",
  "info  served /checkout in 48 ms",
  "warn  payment provider answered late: 1900 ms",
  "info  served /search in 31 ms",
  "error could not reach the payment provider: timeout",
  "info  served /basket in 9 ms",
] as const;

export interface DemoWorld extends AsyncDisposable {
  readonly logPath: string;
  /** http://127.0.0.1:port/health */
  readonly healthUrl: string;
}

export interface DemoPlaces {
  readonly logPath: string;
  /** Where it sends webhooks, as soon as somebody answers there. */
  readonly webhookUrl: string;
}

export async function startDemoWorld({ logPath, webhookUrl }: DemoPlaces, clock: Clock): Promise<DemoWorld> {
  const ending = new AbortController();
  let startedAtMs: number | undefined;
  const server = createServer((_, response) => {
    startedAtMs ??= clock.monotonicMs();
    const isHealthy = isHealthyAfter(clock.monotonicMs() - startedAtMs);
    response.writeHead(isHealthy ? 200 : 503, { "content-type": "application/json" });
    response.end(JSON.stringify({ status: isHealthy ? "ok" : "overloaded" }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has an address");

  await mkdir(dirname(logPath), { recursive: true });
  const working = Promise.all([
    writeLines(logPath, clock, ending.signal),
    sendGreetings(webhookUrl, clock, ending.signal),
  ]);
  return {
    logPath,
    healthUrl: `http://127.0.0.1:${address.port}/health`,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await working;
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Alternates between healthy and unhealthy. @param elapsedMs since the first request */
export function isHealthyAfter(elapsedMs: number): boolean {
  return elapsedMs % (healthyMs + unhealthyMs) < healthyMs;
}

async function writeLines(path: string, clock: Clock, signal: AbortSignal): Promise<void> {
  for (let number = 0; !signal.aborted; number += 1) {
    await appendFile(
      path,
      `${new Date(clock.nowMs()).toISOString()} ${logLines[number % logLines.length]}\n`,
    );
    await clock.sleep(lineEveryMs, signal);
  }
}

async function sendGreetings(url: string, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const isAnswered = await sendGreeting(url, signal).catch(() => false);
    await clock.sleep(isAnswered ? greetingEveryMs : greetingRetryMs, signal);
  }
}

async function sendGreeting(url: string, signal: AbortSignal): Promise<boolean> {
  const { ok } = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: "the demo shop" }),
    signal,
  });
  return ok;
}
