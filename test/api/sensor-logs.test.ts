/** Following a sensor's log over real connections. What is in it is tested in test/sensors and test/flows. */
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { createHttpServer } from "../../src/api/http-server.ts";
import { addSensorLogRoutes, type SensorLogSource } from "../../src/api/routes/sensor-logs.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import type { WorkerLogPage } from "../../src/model/sensors/log-page.ts";
import { leavingClients } from "../support/leaving-clients.ts";

const page: WorkerLogPage = {
  lines: [],
  position: { source: "", offset: 0, time: "" },
  workerName: "w1",
};
const path = "/sensors/p.one/logs?follow=true";
const streamsMax = 32;

async function serve(source: SensorLogSource) {
  const server = await createHttpServer({
    certificate: undefined,
    isTrustedProxy: () => false,
    logger: silentLogger,
  });
  const clients = leavingClients(server);
  addSensorLogRoutes(server, source, async () => undefined);
  const address = await server.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close());
  return { address, clients, follow: (signal: AbortSignal) => fetch(`${address}${path}`, { signal }) };
}

test("clients that leave while their token is being checked leave room for others", async () => {
  const { address, clients, follow } = await serve({
    readLog: async () => ({ kind: "page", page }),
    async *followLog() {},
  });

  for (let count = 0; count < streamsMax; count += 1) await clients.leave(address, path);

  expect((await follow(new AbortController().signal)).status).toBe(200);
});

test("each place is taken once, and clients that leave before the first line give theirs back", async () => {
  const reading: AbortSignal[] = [];
  const { follow } = await serve({
    async readLog(_ref, _lines, signal) {
      reading.push(signal);
      await once(signal, "abort");
      return { kind: "no-answer", workerName: "w1" };
    },
    async *followLog() {},
  });
  const leaving = new AbortController();
  const clients = Array.from({ length: streamsMax }, () => follow(leaving.signal).catch(() => "left"));
  await expect.poll(() => reading.length).toBe(streamsMax);

  const refused = await follow(leaving.signal);
  leaving.abort();

  expect(refused.status).toBe(429);
  expect(await Promise.all(clients)).toEqual(clients.map(() => "left"));
  await expect.poll(() => reading.every(({ aborted }) => aborted)).toBe(true);
  const last = new AbortController();
  const answer = follow(last.signal).catch(() => "left");
  await expect.poll(() => reading.length).toBe(streamsMax + 1);
  last.abort();
  await answer;
});
