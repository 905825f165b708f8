/** What Node's parser cannot read, behind requests of the same connection that are still being answered. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { createHttpServer } from "../../src/api/http-server.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";

const unreadable = "NOT/HTTP\r\n\r\n";
const request = (path: string) => `GET ${path} HTTP/1.1\r\nhost: test\r\n\r\n`;

async function start() {
  const server = await createHttpServer({
    certificate: undefined,
    isTrustedProxy: () => false,
    logger: silentLogger,
  });
  onTestFinished(() => server.close());
  const refused = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  server.server.on("clientError", () => refused.resolve());
  /** Answers once something unreadable has arrived. */
  server.get("/later", async () => {
    asked.resolve();
    await refused.promise;
    return { answered: "later" };
  });
  /** Sends the second half of its answer once something unreadable has arrived. */
  server.get("/halves", async (_, reply) => {
    const halves = async function* () {
      yield "first half, ";
      asked.resolve();
      await refused.promise;
      yield "second half";
    };
    return await reply.type("text/plain").send(Readable.from(halves()));
  });
  const answerAtOnce = async (_: unknown, { raw }: { readonly raw: ServerResponse }): Promise<never> => {
    raw.write("partly sent");
    asked.resolve();
    return await new Promise(() => {});
  };
  server.post("/early", { onRequest: answerAtOnce }, async () => ({}));
  const { port } = new URL(await server.listen({ host: "127.0.0.1", port: 0 }));
  const socket = connect(Number(port), "127.0.0.1");
  await once(socket, "connect");
  return { socket, asked: asked.promise, refused: refused.promise, received: text(socket) };
}

const statusesOf = (received: string): readonly string[] => received.match(/HTTP\/1\.1 \d+/g) ?? [];

test.each([
  ["an answer that is not sent yet", "/later", '{"answered":"later"}'],
  ["a half-sent answer", "/halves", "second half"],
])("%s is completed before the 400", async (_, path, ending) => {
  const { socket, asked, received } = await start();

  socket.write(request(path));
  await asked;
  socket.write(unreadable);

  const whole = await received;
  expect(statusesOf(whole)).toEqual(["HTTP/1.1 200", "HTTP/1.1 400"]);
  expect(whole.slice(0, whole.indexOf("HTTP/1.1 400"))).toContain(ending);
});

test("answers to several requests come in order, and what follows the unreadable one is dropped", async () => {
  const { socket, asked, refused, received } = await start();

  socket.write(request("/halves"));
  await asked;
  socket.write(request("/later") + unreadable);
  await refused;
  socket.write(unreadable + request("/later"));

  const whole = await received;
  expect(statusesOf(whole)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 400"]);
  expect(whole.indexOf("second half")).toBeLessThan(whole.indexOf('{"answered":"later"}'));
});

test("an answer that has begun before the body became unreadable gets no second one behind it", async () => {
  const { socket, asked, received } = await start();

  socket.write("POST /early HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
  await asked;
  socket.write("not a length\r\n");

  expect(statusesOf(await received)).toEqual(["HTTP/1.1 200"]);
});

test("a request alone that cannot be read is answered at once", async () => {
  const { socket, received } = await start();

  socket.write(unreadable);

  expect(statusesOf(await received)).toEqual(["HTTP/1.1 400"]);
});
