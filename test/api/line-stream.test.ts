/** When a place for long work is free again. */
import { expect, test } from "vitest";
import { createHttpServer } from "../../src/api/http-server.ts";
import { LineStreams, type Line } from "../../src/api/line-stream.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";

// Goal: a script that runs one back-test after another is never refused because the one before "is running".
// Method: work that lingers after its last line, as it does until the answer is flushed.
test("a caller who has read the last line may ask for the next work at once", async () => {
  const server = await createHttpServer({
    certificate: undefined,
    isTrustedProxy: () => false,
    logger: silentLogger,
  });
  const lingering = Promise.withResolvers<undefined>();
  async function* work(): AsyncGenerator<Line, void, void> {
    yield { progress: 1 };
    yield { done: 1 };
    await lingering.promise;
  }
  const streams = new LineStreams(server, {
    authenticate: async () => undefined,
    logger: silentLogger,
    atOnceMax: 1,
    refusal: "One is running already.",
  });
  server.get("/work", async (request, reply) => streams.send(request, reply, work));
  await using opened = new AsyncDisposableStack();
  opened.defer(() => server.close());
  opened.defer(() => lingering.resolve(undefined));
  const address = await server.listen({ host: "127.0.0.1", port: 0 });
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
