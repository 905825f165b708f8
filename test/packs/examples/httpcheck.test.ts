import { createServer, type RequestListener } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import type { JsonValue } from "../../../src/model/json/json.ts";
import { startSensor } from "../../support/sensor-program.ts";

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return typeof address === "object" ? `http://127.0.0.1:${address?.port}/` : "";
}

async function check(url: string, checkpoint?: JsonValue, timeoutMs = 10_000): Promise<unknown> {
  await using sensor = startSensor({
    pack: "httpcheck",
    interpreter: [process.execPath],
    entrypoint: "endpoint.mjs",
    config: { url, timeout_ms: timeoutMs },
    ...(checkpoint === undefined ? {} : { checkpoint }),
  });
  expect([await sensor.ended, sensor.stderr()]).toEqual([0, ""]);
  expect(sensor.printed.length).toBe(1);
  return sensor.printed[0];
}

test("an endpoint that answers is up, and the checkpoint remembers it", async () => {
  const url = await serve((_request, response) => response.writeHead(204).end());

  expect(await check(url)).toMatchObject({
    events: [{ payload: { url, up: true, status: 204, error: null, changed: true } }],
    checkpoint: { up: true },
  });
  expect(await check(url, { up: true })).toMatchObject({ events: [{ payload: { changed: false } }] });
  expect(await check(url, { up: false })).toMatchObject({ events: [{ payload: { changed: true } }] });
});

test("an endpoint that fails is down, with its status", async () => {
  const url = await serve((_request, response) => response.writeHead(503).end());

  expect(await check(url, { up: true })).toMatchObject({
    events: [{ payload: { up: false, status: 503, changed: true } }],
    checkpoint: { up: false },
  });
});

test("an endpoint without a server, or that never answers, is a result and not a failure", async () => {
  const silent = await serve(() => {});
  const gone = new URL(silent);
  gone.port = "1";

  expect(await check(silent, null, 300)).toMatchObject({
    events: [{ payload: { up: false, status: null } }],
  });
  expect(await check(gone.href)).toMatchObject({ events: [{ payload: { up: false, status: null } }] });
});

test("an answer without end does not keep it", async () => {
  const url = await serve((_request, response) => {
    response.write("and so on ".repeat(10_000));
  });

  expect(await check(url)).toMatchObject({ events: [{ payload: { up: true, status: 200 } }] });
});
