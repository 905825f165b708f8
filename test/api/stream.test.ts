/** Server-sent events over real connections. What they carry is tested in test/live. */
import { expect, onTestFinished, test } from "vitest";
import { createHttpServer } from "../../src/api/http-server.ts";
import { addStreamRoute, type ViewedStream } from "../../src/api/routes/stream.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { leavingClients } from "../support/leaving-clients.ts";

type Viewer = Parameters<ViewedStream["open"]>[0];

async function serve(clock = fakeClock()) {
  const server = await createHttpServer({
    certificate: undefined,
    isTrustedProxy: () => false,
    logger: silentLogger,
  });
  const clients = leavingClients(server);
  const viewers = new Set<Viewer>();
  const open: ViewedStream["open"] = (viewer) => {
    viewers.add(viewer);
    viewer.send(Buffer.from("event: snapshot\n\n"));
    return { [Symbol.dispose]: () => void viewers.delete(viewer) };
  };
  addStreamRoute(server, { open }, async () => undefined, clock);
  const address = await server.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close());
  return { address, clients, viewers };
}

test("a viewer that leaves while its token is being checked is not there for ever", async () => {
  const { address, clients, viewers } = await serve();

  await clients.leave(address, "/stream");

  expect(viewers.size).toBe(0);
  const { body } = await fetch(`${address}/stream`);
  expect(viewers.size).toBe(1);
  await body?.cancel();
  await expect.poll(() => viewers.size).toBe(0);
});

// Goal: no viewer can end the agent: a frame after the end of an answer is an error that nobody catches.
// Method: the token of a viewer that reads nothing ends, so its connection stays open. Then the tick of the next second.
test("a viewer whose token ended gets no more frames, however slowly it reads", async () => {
  const clock = fakeClock();
  const { address, viewers } = await serve(clock);
  const large = Buffer.alloc(32 * 1_024 * 1_024, "x");
  const { body } = await fetch(`${address}/stream`);
  for (const viewer of viewers) expect(viewer.send(large)).toBeGreaterThan(0);

  await clock.advance(5_000);
  for (const viewer of viewers) viewer.send(Buffer.from("event: tick\n\n"));

  let bytes = 0;
  let end = "";
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    end = Buffer.from(chunk.slice(-1)).toString();
  }
  expect(bytes).toBeGreaterThan(large.length);
  expect(end).toBe("x");
});
