/** What answers that take long have in common, over real connections: their places, and what ends them. */
import { once } from "node:events";
import type { FastifyInstance } from "fastify";
import { expect, onTestFinished, test } from "vitest";
import { createHttpServer } from "../../src/api/http-server.ts";
import { LongAnswers, type LongAnswer, type LongAnswersOptions } from "../../src/api/long-answers.ts";
import type { Caller } from "../../src/model/identity/caller.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { leavingClients } from "../support/leaving-clients.ts";

const caller = { role: "viewer" } as Caller;

/** One answer at a time, which is only a first line until its connection closes. */
async function serve(options: Partial<LongAnswersOptions> = {}, extend?: (scope: FastifyInstance) => void) {
  const server = await createHttpServer({
    certificate: undefined,
    isTrustedProxy: () => false,
    logger: silentLogger,
  });
  const clients = leavingClients(server);
  extend?.(server);
  const begun: LongAnswer[] = [];
  const answers = new LongAnswers(server, { atOnceMax: 1, refusal: "One has begun already.", ...options });
  server.get("/long", async (request, reply) => {
    const answer = answers.begin(request, reply);
    begun.push(answer);
    reply.hijack().raw.write("begun\n");
    answer.signal.addEventListener("abort", () => reply.raw.end());
  });
  const address = await server.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => close(server));
  const ask = () => fetch(`${address}/long`, { headers: { authorization: "Bearer a.b.c" } });
  const nth = (index: number): LongAnswer => {
    const answer = begun[index];
    if (answer === undefined) throw new Error(`answer ${index} has not begun`);
    return answer;
  };
  return { server, address, clients, ask, nth };
}

/** As server.ts does it: a client's connection outlives its last answer. */
async function close(server: FastifyInstance): Promise<void> {
  const closed = server.close();
  server.server.closeAllConnections();
  await closed;
}

test("a client that leaves while its token is being checked takes no place and watches no token", async () => {
  const clock = fakeClock();
  const { address, clients, ask, nth } = await serve({ authenticate: async () => caller, clock });

  await clients.leave(address, "/long");

  expect(nth(0).signal.aborted).toBe(true);
  expect(clock.sleeperCount()).toBe(0);
  expect((await ask()).status).toBe(200);
});

test("a place is free when its client has left, and until then one more is refused", async () => {
  const { ask } = await serve();
  const first = await ask();

  const refused = await ask();
  await first.body?.cancel();

  expect([refused.status, await refused.json()]).toEqual([
    429,
    { error: "One has begun already.", code: "TOO_MANY_REQUESTS" },
  ]);
  await expect.poll(async () => (await ask()).status).toBe(200);
});

test("a place that is kept is free when the work has ended, not when the client has left", async () => {
  const { ask, nth } = await serve();
  const first = await ask();
  nth(0).keepPlace();

  await first.body?.cancel();
  await expect.poll(() => nth(0).signal.aborted).toBe(true);

  expect((await ask()).status).toBe(429);
  nth(0).end();
  expect((await ask()).status).toBe(200);
});

// Goal: an outage of the database ends no stream, a revocation does.
test("an answer ends when its token is not valid any more, and goes on while nobody can tell", async () => {
  const clock = fakeClock();
  const asked: string[] = [];
  let check = async (): Promise<Caller | undefined> => caller;
  const authenticate = async (token: string): Promise<Caller | undefined> => {
    asked.push(token);
    return check();
  };
  const { ask, nth } = await serve({ authenticate, clock });
  const answer = await ask();

  await clock.advance(10_000);
  check = async () => {
    throw new Error("the database does not answer");
  };
  await clock.advance(10_000);
  expect(asked).toEqual(["a.b.c", "a.b.c", "a.b.c", "a.b.c"]);
  expect(nth(0).signal.aborted).toBe(false);

  check = async () => undefined;
  await clock.advance(5_000);

  expect(nth(0).signal.aborted).toBe(true);
  expect(await answer.text()).toBe("begun\n");
  expect(clock.sleeperCount()).toBe(0);
});

// Method: the token of the second request is still being checked when the stop has ended the first.
test("a stop ends the answers that have begun, and none begins after it", async () => {
  const arrived = Promise.withResolvers<void>();
  const checked = Promise.withResolvers<void>();
  const { server, ask, address } = await serve({ atOnceMax: 2 }, (scope) => {
    scope.addHook("onRequest", async ({ query }) => {
      if (Object.keys(query as object).length === 0) return;
      arrived.resolve();
      await checked.promise;
    });
  });
  const first = await ask();
  const second = fetch(`${address}/long?slowly`);
  await arrived.promise;

  const closed = server.close();
  expect(await first.text()).toBe("begun\n");
  checked.resolve();

  expect((await second).status).toBe(503);
  server.server.closeAllConnections();
  await closed;
});

test("what is done at the end is also done for a connection that is closed already", async () => {
  const { ask, nth } = await serve();
  const closings: string[] = [];
  const first = await ask();
  nth(0).onClosed(() => closings.push("once it closes"));
  expect(closings).toEqual([]);

  await first.body?.cancel();
  await once(nth(0).signal, "abort");
  nth(0).onClosed(() => closings.push("it is closed"));

  expect(closings).toEqual(["once it closes", "it is closed"]);
});
