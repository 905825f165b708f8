/** Connections whose client sends requests and does not read the answers. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { FastifyInstance } from "fastify";
import { expect, test } from "vitest";
import { requireCaller } from "../../src/api/authentication.ts";
import { createHttpServer } from "../../src/api/http-server.ts";
import { addMetricsRoute } from "../../src/api/routes/metrics.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { openAuthority, type Certificate } from "../support/certificates.ts";

const caller = { identityId: "1", jti: null, expiresAtMs: Number.POSITIVE_INFINITY, role: "admin" } as const;
const mebibyte = Buffer.alloc(1_048_576, "x");

interface Served extends AsyncDisposable {
  readonly server: FastifyInstance;
  readonly address: string;
  /** Reasons of closed connections. */
  readonly refused: readonly string[];
  /** Sends requests for these paths at once, and reads nothing yet. */
  ask(paths: readonly string[], token?: string): Socket;
}

async function serve(
  addRoutes: (server: FastifyInstance) => void,
  { unreadMsMax = 60_000, certificate }: { unreadMsMax?: number; certificate?: Certificate | undefined } = {},
): Promise<Served> {
  const refused: string[] = [];
  const server = await createHttpServer({
    certificate: certificate && {
      cert: readFileSync(certificate.cert, "utf8"),
      key: readFileSync(certificate.key, "utf8"),
    },
    isTrustedProxy: () => false,
    onConnectionRefused: (reason) => void refused.push(reason),
    logger: silentLogger,
    unreadMsMax,
  });
  addRoutes(server);
  const address = await server.listen({ host: "127.0.0.1", port: 0 });
  const sockets: Socket[] = [];
  return {
    server,
    address,
    refused,
    ask(paths, token = "") {
      const at = { host: "127.0.0.1", port: Number(new URL(address).port) };
      const socket = certificate ? connectTls({ ...at, rejectUnauthorized: false }) : connect(at);
      sockets.push(socket.pause().on("error", () => {}));
      const headers = `host: a\r\n${token === "" ? "" : `authorization: Bearer ${token}\r\n`}`;
      socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\n${headers}\r\n`).join(""));
      return socket;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.server.closeAllConnections();
      await server.close();
    },
  };
}

async function connectionsOf({ server }: Served): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  server.server.getConnections((_error, count) => resolve(count));
  return promise;
}

// Goal: however many requests a client pipelines, the answer to one at most waits in memory.
// Method: 40 requests arrive in one chunk; each handler counts the answers that the kernel has not taken.
test("requests of one connection are handled one after another, as their answers are taken", async () => {
  const paths = Array.from({ length: 40 }, (_, index) => `/large/${index}`);
  let waiting = 0;
  let waitingMax = 0;
  const handled: string[] = [];
  await using served = await serve((server) => {
    server.get("/large/:index", async ({ url }, reply) => {
      handled.push(url);
      waitingMax = Math.max(waitingMax, (waiting += 1));
      reply.raw.once("finish", () => (waiting -= 1));
      return mebibyte;
    });
  });

  const socket = served.ask(paths);
  await expect.poll(() => handled.length).toBeGreaterThan(0);
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => (bytes += chunk.length)).resume();

  await expect.poll(() => bytes, { timeout: 10_000 }).toBeGreaterThan(40 * mebibyte.length);
  expect(waitingMax).toBe(1);
  expect(handled).toEqual(paths);
  expect(served.refused).toEqual([]);
});

test("a thousand requests may wait for the one before them", async () => {
  const paths = Array.from({ length: 1_001 }, () => "/none");
  await using served = await serve(() => {});
  let answers = "";

  served
    .ask(paths)
    .on("data", (chunk: Buffer) => (answers += chunk.toString()))
    .resume();

  await expect.poll(() => answers.split("HTTP/1.1 404").length - 1).toBe(1_001);
  expect(served.refused).toEqual([]);
});

test("a connection on which more requests wait is closed, and none of them is handled", async () => {
  let handled = 0;
  const { promise: never } = Promise.withResolvers<void>();
  await using served = await serve((server) => {
    server.get("/slow", async () => {
      handled += 1;
      await never;
    });
  });

  served.ask(Array.from({ length: 1_003 }, () => "/slow"));

  await expect.poll(() => served.refused, { timeout: 5_000 }).toEqual(["pipelined"]);
  await expect.poll(() => connectionsOf(served)).toBe(0);
  expect(handled).toBe(1);
});

// Goal: what waits in memory is bounded however many connections there are.
test("ten thousand requests of all connections may wait, and what is closed makes room", async () => {
  const { promise: never } = Promise.withResolvers<void>();
  let handled = 0;
  await using served = await serve((server) => {
    server.get("/slow", async () => {
      handled += 1;
      await never;
    });
    server.get("/fast", async () => "answered");
  });
  /** How many of three requests at once are answered so far. */
  const askFast = (): (() => number) => {
    let received = "";
    served
      .ask(["/fast", "/fast", "/fast"])
      .on("data", (chunk: Buffer) => (received += chunk.toString()))
      .resume();
    return () => received.split("answered").length - 1;
  };
  const held = Array.from({ length: 10 }, () => served.ask(Array.from({ length: 1_001 }, () => "/slow")));
  await expect.poll(() => handled).toBe(10);
  expect(served.refused).toEqual([]);

  askFast();
  await expect.poll(() => served.refused).toEqual(["pipelined"]);

  for (const socket of held) socket.destroy();
  await expect.poll(() => connectionsOf(served)).toBe(0);
  await expect.poll(askFast()).toBe(3);
  expect(served.refused).toEqual(["pipelined"]);
});

test("a connection is closed when its client takes nothing of an answer", async () => {
  const answer = Buffer.alloc(64 * mebibyte.length);
  await using served = await serve((server) => void server.get("/large", async () => answer), {
    unreadMsMax: 100,
  });

  served.ask(["/large", "/large"]);

  await expect.poll(() => served.refused, { timeout: 5_000 }).toEqual(["unread"]);
  await expect.poll(() => connectionsOf(served)).toBe(0);
});

test("a request that takes longer than clients may take nothing is answered", async () => {
  await using served = await serve(
    (server) => {
      server.get("/slow", async ({ raw }) => {
        await once(raw.socket, "timeout");
        return "late";
      });
    },
    { unreadMsMax: 50 },
  );

  const response = await fetch(`${served.address}/slow`);

  expect(await response.text()).toBe("late");
  expect(served.refused).toEqual([]);
});

// Goal: a slow download is not a stalled one.
// Method: a client reads 64 KiB about every 10 ms, and the whole takes three times as long as nothing may be taken. The kernel
// takes more in steps of 1.5 MB, since it waits until a third of its buffer is free.
test.each(["http", "https"])("a client that reads slowly gets the whole answer over %s", async (scheme) => {
  const answer = Buffer.alloc(16 * mebibyte.length);
  using authority = scheme === "https" ? openAuthority("test authority") : undefined;
  await using served = await serve((server) => void server.get("/large", async () => answer), {
    unreadMsMax: 800,
    certificate: authority?.sign("agent.test"),
  });
  const socket = served.ask(["/large"]);
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes % 65_536 >= chunk.length) return;
    socket.pause();
    setTimeout(() => socket.resume(), 10);
  });

  socket.resume();

  await expect.poll(() => bytes, { timeout: 20_000 }).toBeGreaterThan(answer.length);
  expect(served.refused).toEqual([]);
});

test("scrapes under way share one text, and the next one reads anew", async () => {
  const first = Promise.withResolvers<string>();
  const texts = [first.promise, Promise.resolve("second")];
  let scrapes = 0;
  await using served = await serve((server) => {
    server.addHook("preHandler", async () => void (scrapes += 1));
    addMetricsRoute(server, { contentType: "text/plain", text: async () => (await texts.shift()) ?? "none" });
  });
  const scrape = async (): Promise<string> => (await served.server.inject("/metrics")).body;

  const underWay = [scrape(), scrape()];
  await expect.poll(() => scrapes).toBe(2);
  first.resolve("first");

  expect(await Promise.all(underWay)).toEqual(["first", "first"]);
  expect(await scrape()).toBe("second");
});

// Goal: answers that nobody reads take bounded memory, and do not keep others from theirs.
// Method: far more than the kernel takes is asked for over many connections, without a token, or with one token.
test.each([
  ["without a token", "/open", 64],
  ["of one caller", "/private", 256],
])(
  "answers %s that nobody reads end their connections when they fill the room",
  async (_, path, roomMebibytes) => {
    const large = Buffer.alloc(16 * mebibyte.length, "x");
    await using served = await serve((server) => {
      server.get("/open", async () => large);
      void server.register(async (scope) => {
        requireCaller(scope, async (login) => ({ ...caller, login }));
        scope.get("/private", { config: { roles: ["admin"] } }, async () => large);
      });
    });
    const fitting = roomMebibytes / 16;

    for (let index = 0; index < fitting + 8; index += 1) served.ask([path], "greedy");

    await expect.poll(() => served.refused.length).toBeGreaterThanOrEqual(8);
    expect(await connectionsOf(served)).toBeLessThanOrEqual(fitting);
    const answer = await fetch(`${served.address}/private`, { headers: { authorization: "Bearer other" } });
    expect((await answer.arrayBuffer()).byteLength).toBe(large.length);
  },
);
