/**
 * What it costs that the bodies of all requests share bounded memory: `POST /events` up to its handler, with one event and with a
 * batch of 100, over 16 keep-alive connections.
 *
 * The floor, in turns with what is measured: the same server and the same route, whose body the server library reads without a
 * bound for all bodies together. Both decode the JSON and answer at once.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { FastifyInstance } from "fastify";
import { requireCaller } from "../../src/api/authentication.ts";
import { createHttpServer } from "../../src/api/http-server.ts";
import { readTextBodies } from "../../src/api/json-body.ts";
import { RequestBodies } from "../../src/api/request-bodies.ts";
import { postBytesMax } from "../../src/api/store-posts.ts";
import { decodeJson } from "../../src/model/json/json-text.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { sensorCaller } from "../support/posting-api.ts";
import { median, report, type Finding } from "./rig/report.ts";

const rounds = 9;
const seconds = 1;
const connections = 16;
const leastRatio = 0.85;
const payload = { device: "thermometer-17", celsius: 21.5, note: "x".repeat(200), tags: ["a", "b", "c"] };
const event = { trigger_ref: "demo.tick", payload };
const sizes = [
  { what: "one event a request", body: JSON.stringify(event) },
  { what: "100 events a request", body: JSON.stringify(Array.from({ length: 100 }, () => event)) },
];

async function start(readBodies: (scope: FastifyInstance) => void): Promise<string> {
  const server = await createHttpServer({
    certificate: undefined,
    isTrustedProxy: () => false,
    logger: silentLogger,
  });
  stack.defer(() => server.close());
  const caller = sensorCaller("demo.sensor", null);
  requireCaller(server, async () => caller);
  readBodies(server);
  server.post(
    "/events",
    { config: { roles: ["sensor"] }, bodyLimit: postBytesMax },
    async (_request, reply) => reply.code(201).send({ data: { id: 1 } }),
  );
  return `${await server.listen({ host: "127.0.0.1", port: 0 })}/events`;
}

async function load(url: string, body: string): Promise<number> {
  const args = [join(import.meta.dirname, "rig/http-load.ts"), url, body, connections, seconds].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const answered: { count: number; others: number; firstOther: string; seconds: number } = JSON.parse(stdout);
  if (answered.others > 0) throw new Error(`not every answer was 201: ${answered.firstOther}`);
  return answered.count / answered.seconds;
}

await using stack = new AsyncDisposableStack();
const bounded = await start((scope) => readTextBodies(scope, new RequestBodies()));
const unbounded = await start((scope) =>
  scope.addContentTypeParser<string>("*", { parseAs: "string" }, (_request, text, done) => {
    const decoded = decodeJson(text);
    done(null, { text, value: decoded.kind === "valid" ? decoded.value : null });
  }),
);

const findings: Finding[] = [];
for (const { what, body } of sizes) {
  const rates = { bounded: [] as number[], unbounded: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    rates.unbounded.push(await load(unbounded, body));
    rates.bounded.push(await load(bounded, body));
  }
  const ratio = median(rates.bounded) / median(rates.unbounded);
  findings.push({
    what: `${what}, by unbounded bodies`,
    measured: median(rates.bounded).toFixed(0),
    floor: median(rates.unbounded).toFixed(0),
    ratio,
    required: `at least ${leastRatio} × the floor`,
    isReached: ratio >= leastRatio,
  });
}
report("Bodies of requests in bounded memory (requests/s, medians)", findings);
