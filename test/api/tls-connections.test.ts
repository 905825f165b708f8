/** Connections to the HTTPS listener that never become requests. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { get } from "node:https";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startApi, type Api } from "../../src/api/server.ts";
import { openAuthority, type Authority, type Certificate } from "../support/certificates.ts";
import { recordingLogger } from "../support/recording-logger.ts";

let authority: Authority;
let certificate: Certificate;

beforeAll(() => {
  authority = openAuthority("test authority");
  certificate = authority.sign("agent.test");
});

afterAll(() => authority[Symbol.dispose]());

interface Started extends AsyncDisposable {
  readonly api: Api;
  readonly lines: readonly { readonly level: string; readonly message: string }[];
  /** Reasons of refused connections, in their order. */
  readonly refused: readonly string[];
  connect(): Promise<Socket>;
}

async function start(): Promise<Started> {
  const { logger, lines } = recordingLogger();
  const refused: string[] = [];
  const api = await startApi({
    section: "api",
    host: "127.0.0.1",
    port: 0,
    tls: certificate,
    health: { version: "1.2.3", workerName: "w1", parts: () => ({}), monotonicMs: () => 0 },
    metrics: {
      contentType: "text/plain",
      text: async () => "",
      httpConnectionRefused: (reason) => void refused.push(reason),
    },
    logger,
  });
  return {
    api,
    lines,
    refused,
    async connect() {
      const socket = connect(Number(new URL(api.address).port), "127.0.0.1");
      socket.on("error", () => {}).resume();
      await once(socket, "connect");
      return socket;
    },
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

async function liveness(address: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  get(`${address}/health/live`, { rejectUnauthorized: false, agent: false }, (response) => {
    text(response).then(resolve, reject);
  }).once("error", reject);
  return promise;
}

/** The record header and the first bytes of a ClientHello of 200 bytes. */
const beginOfHello = Buffer.from([0x16, 0x03, 0x01, 0x00, 0xc8, 0x01, 0x00, 0x00]);

// Goal: a client that begins handshakes and never ends them cannot use up the connections.
test("500 handshakes that never end are closed in time, and others are served meanwhile", async () => {
  await using started = await start();
  const sockets = await Promise.all(Array.from({ length: 500 }, () => started.connect()));
  const closed = sockets.map((socket) => once(socket, "close"));
  for (const socket of sockets.slice(250)) socket.write(beginOfHello);

  expect(await liveness(started.api.address)).toContain("ok");
  await Promise.all(closed);

  expect(await liveness(started.api.address)).toContain("ok");
  expect(started.refused).toEqual(sockets.map(() => "handshake"));
  // Anyone can cause such a line, so there is one, however many fail.
  expect(started.lines.map(({ level, message }) => [level, message])).toEqual([
    ["info", expect.stringContaining("a client's TLS handshake failed")],
  ]);
}, 60_000);

test("a handshake under way does not delay the stop", async () => {
  const started = await start();
  const silent = await started.connect();
  const closed = once(silent, "close");
  // The server has accepted it, since it accepts in order.
  await liveness(started.api.address);

  await started[Symbol.asyncDispose]();

  await closed;
});

test("plain HTTP at the HTTPS port is closed at once, and the log says what was wrong", async () => {
  await using started = await start();
  const socket = await started.connect();
  const closed = once(socket, "close");

  socket.write("GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n");

  await closed;
  expect(started.lines).toContainEqual(
    expect.objectContaining({
      message: expect.stringContaining("a client sent plain HTTP to the HTTPS port") as unknown,
    }),
  );
  expect(started.refused).toEqual(["handshake"]);
});

test("a client that only opens a connection, as probes do, is no failure", async () => {
  await using started = await start();
  const socket = await started.connect();
  const closed = once(socket, "close");
  socket.end();
  await closed;

  expect(await liveness(started.api.address)).toContain("ok");
  expect([started.refused, started.lines]).toEqual([[], []]);
});
