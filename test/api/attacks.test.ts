/** Malicious clients on raw sockets: they are refused or time out, and others are served meanwhile. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { startApi, type Api } from "../../src/api/server.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";

function start(): Promise<Api> {
  return startApi({
    section: "api",
    host: "127.0.0.1",
    port: 0,
    health: { version: "1.2.3", workerName: "w1", parts: () => ({}), monotonicMs: () => 0 },
    metrics: { contentType: "text/plain", text: async () => "" },
    logger: silentLogger,
  });
}

async function socketTo(address: string): Promise<Socket> {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

async function isServed(address: string): Promise<boolean> {
  return (await fetch(`${address}/health/live`, { signal: AbortSignal.timeout(5_000) })).ok;
}

test.each([
  ["headers that never end", "GET /health/live HTTP/1.1\r\nhost: a\r\n", "x-a: b\r\n"],
  ["a body that never ends", "POST /nothing HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n", "y"],
])(
  "500 connections with %s are closed in time, and others are served meanwhile",
  async (_, begin, drop) => {
    await using api = await start();
    const sockets = await Promise.all(Array.from({ length: 500 }, () => socketTo(api.address)));
    const closed = sockets.map((socket) => once(socket, "close"));
    for (const socket of sockets) {
      socket.resume();
      socket.write(begin);
    }
    const dripping = new AbortController();
    const dripped = (async () => {
      while (!dripping.signal.aborted) {
        for (const socket of sockets) if (socket.writable) socket.write(drop);
        await sleep(500);
      }
    })();

    expect(await isServed(api.address)).toBe(true);
    await Promise.all(closed);

    dripping.abort();
    await dripped;
    expect(await isServed(api.address)).toBe(true);
  },
  60_000,
);

// Goal: nobody without a token makes the agent hold large bodies.
test.each([
  ["an unknown path", "POST /nothing", 404],
  ["a method that a path does not have", "POST /health", 405],
])("a body for %s is refused without being read", async (_, request, status) => {
  await using api = await start();
  const socket = await socketTo(api.address);

  socket.write(
    `${request} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n"`,
  );

  expect(await text(socket)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
});

test("headers of 10 MB are refused as soon as they are too long", async () => {
  await using api = await start();
  const socket = await socketTo(api.address);
  // The connection may be reset while it is still being written to.
  const answered = text(socket).catch(() => "HTTP/1.1 431 (and the connection was reset)");
  socket.write("GET /health/live HTTP/1.1\r\nhost: a\r\n");

  for (let sent = 0; sent < 10_000_000 && socket.writable; sent += 100_000) {
    if (socket.write(`x: ${"y".repeat(100_000)}\r\n`)) continue;
    await Promise.race([once(socket, "drain"), once(socket, "close")]);
  }

  expect(await answered).toMatch(/^HTTP\/1\.1 431 /);
  expect(socket.bytesWritten).toBeLessThan(5_000_000);
  expect(await isServed(api.address)).toBe(true);
});

test("1,000 requests sent at once over one connection are answered in order", async () => {
  await using api = await start();
  const socket = await socketTo(api.address);
  const requests = Array.from(
    { length: 1_000 },
    (_, index) =>
      `GET /health/live HTTP/1.1\r\nhost: a\r\nx-request-id: r${index}\r\n${index === 999 ? "connection: close\r\n" : ""}\r\n`,
  );

  socket.write(requests.join(""));
  const answer = await text(socket);

  expect([...answer.matchAll(/x-request-id: r(\d+)\r\n/gi)].map(([, index]) => Number(index))).toEqual(
    Array.from({ length: 1_000 }, (_, index) => index),
  );
});

test.each([
  ["two lengths", "content-length: 5\r\ncontent-length: 6\r\n\r\nhello!"],
  ["a length beside chunks", "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["a header with a line end", "x: a\nb\r\n\r\n"],
])("%s could mean two requests, and is refused", async (_, rest) => {
  await using api = await start();
  const socket = await socketTo(api.address);

  socket.write(`POST /nothing HTTP/1.1\r\nhost: a\r\n${rest}`);

  expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 /);
});
