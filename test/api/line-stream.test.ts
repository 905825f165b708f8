/** When a place for long work is free again. */
import { expect, onTestFinished, test } from "vitest";
import { ConnectionError } from "../../src/database/errors.ts";
import { createHttpServer } from "../../src/api/http-server.ts";
import { LineStreams, type Line } from "../../src/api/line-stream.ts";
import { silentLogger, type Logger } from "../../src/telemetry/logger.ts";
import { leavingClients } from "../support/leaving-clients.ts";
import { recordingLogger } from "../support/recording-logger.ts";

async function serve(
  work: (signal: AbortSignal) => AsyncGenerator<Line, void, void>,
  logger: Logger = silentLogger,
) {
  const server = await createHttpServer({
    certificate: undefined,
    isTrustedProxy: () => false,
    logger: silentLogger,
  });
  const clients = leavingClients(server);
  const streams = new LineStreams(server, {
    authenticate: async () => undefined,
    logger,
    atOnceMax: 1,
    refusal: "One is running already.",
  });
  server.get("/work", async (request, reply) => streams.send(request, reply, work));
  const address = await server.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close());
  return { address, clients };
}

// Goal: a script that runs one back-test after another is never refused because the one before "is running".
// Method: work that lingers after its last line, as it does until the answer is flushed.
test("a caller who has read the last line may ask for the next work at once", async () => {
  const lingering = Promise.withResolvers<undefined>();
  const { address } = await serve(async function* () {
    yield { progress: 1 };
    yield { done: 1 };
    await lingering.promise;
  });
  // The server waits for the work when it closes.
  onTestFinished(() => lingering.resolve(undefined));
  const firstLines = async (): Promise<string> => {
    const { body } = await fetch(`${address}/work`);
    let text = "";
    for await (const chunk of body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes("done")) break;
    }
    return text;
  };

  expect(await firstLines()).toContain("done");
  expect(await firstLines()).toContain("done");
});

test("a caller who leaves while its token is being checked does not block the next", async () => {
  let begun = 0;
  const { address, clients } = await serve(async function* () {
    begun += 1;
    yield { done: begun };
  });

  await clients.leave(address, "/work");

  expect(await (await fetch(`${address}/work`)).json()).toEqual({ done: 1 });
});

// Goal: a caller that asks and leaves again and again has one work running, not many.
test("work that its caller left has its place until it has stopped", async () => {
  const stopping = Promise.withResolvers<AbortSignal>();
  const stopped = Promise.withResolvers<void>();
  let begun = 0;
  const { address } = await serve(async function* (signal) {
    begun += 1;
    yield { progress: 1 };
    if (begun > 1) return;
    signal.addEventListener("abort", () => stopping.resolve(signal));
    await stopped.promise;
  });
  const ask = () => fetch(`${address}/work`);
  const { body } = await ask();

  await body?.cancel();
  await stopping.promise;

  expect((await ask()).status).toBe(429);
  stopped.resolve();
  await expect.poll(async () => (await ask()).status).toBe(200);
});

test("work that fails because the database is out of reach ends with that, and is not logged as a bug", async () => {
  const { logger, lines } = recordingLogger();
  const { address } = await serve(async function* () {
    yield { progress: 1 };
    throw new ConnectionError("no connection: connect ECONNREFUSED", "nothing-done");
  }, logger);

  const text = await (await fetch(`${address}/work`)).text();

  expect(
    text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { progress: 1 },
    { error: "The database does not answer, or cannot be opened.", code: "DATABASE_UNREACHABLE" },
  ]);
  expect(lines).toEqual([]);
});
