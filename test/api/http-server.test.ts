/** What holds for every request, whatever its route: its id, the address that it came from, and the number of connections. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { createHttpServer } from "../../src/api/http-server.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { recordingLogger } from "../support/recording-logger.ts";

async function answerTo(headers: Record<string, string>, trusted: readonly string[] = []) {
  const server = await createHttpServer({
    certificate: undefined,
    isTrustedProxy: (address) => trusted.includes(address),
    logger: silentLogger,
  });
  server.get("/seen", async ({ id, ip }) => ({ id, ip }));
  const response = await server.inject({ url: "/seen", headers, remoteAddress: "10.0.0.9" });
  await server.close();
  return { seen: response.json<{ id: string; ip: string }>(), sent: response.headers["x-request-id"] };
}

test("a caller's request id is kept and sent back", async () => {
  const { seen, sent } = await answerTo({ "x-request-id": "req-1:a.b" });

  expect([seen.id, sent]).toEqual(["req-1:a.b", "req-1:a.b"]);
});

test.each(["", "a b", "x".repeat(129), 'quote"', "naïve"])("the request id %j is replaced", async (id) => {
  const { seen, sent } = await answerTo({ "x-request-id": id });

  expect(seen.id).toMatch(/^[0-9a-f-]{36}$/);
  expect(sent).toBe(seen.id);
});

test("an address that a header names counts only from a trusted proxy", async () => {
  const headers = { "x-forwarded-for": "192.0.2.1, 198.51.100.7" };

  expect((await answerTo(headers)).seen.ip).toBe("10.0.0.9");
  // The last hop is what the proxy itself saw; what is before it anyone can have written.
  expect((await answerTo(headers, ["10.0.0.9"])).seen.ip).toBe("198.51.100.7");
});

test("connections beyond the limit are closed and counted, and the log says when it begins and ends", async () => {
  const { logger, lines } = recordingLogger();
  const refused: string[] = [];
  const server = await createHttpServer({
    certificate: undefined,
    isTrustedProxy: () => false,
    onConnectionRefused: (reason) => void refused.push(reason),
    logger,
  });
  server.get("/seen", async () => ({}));
  server.server.maxConnections = 2;
  const { hostname, port } = new URL(await server.listen({ host: "127.0.0.1", port: 0 }));
  const sockets: Socket[] = [];
  const open = (): Socket => {
    const socket = connect(Number(port), hostname);
    sockets.push(socket.on("error", () => {}).resume());
    return socket;
  };
  const held = [open(), open()];
  await Promise.all(held.map((socket) => once(socket, "connect")));

  await Promise.all([once(open(), "close"), once(open(), "close")]);
  for (const socket of held) {
    const closed = once(socket, "close");
    socket.end();
    await closed;
  }
  const served = await fetch(`http://${hostname}:${port}/seen`);

  expect(served.status).toBe(200);
  expect(refused).toEqual(["limit", "limit"]);
  expect(lines.map(({ level, message }) => [level, message])).toEqual([
    ["warn", expect.stringContaining("closes new HTTP connections")],
    ["info", "accepts new HTTP connections again"],
  ]);
  await server.close();
});
