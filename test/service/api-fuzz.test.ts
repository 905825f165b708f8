/**
 * Goal: no request, however odd, makes the API fail, shows the inside of the program, or takes memory for good.
 * Method: random requests made from the OpenAPI document to a real agent, with the token of an admin. ATTUNE_TEST_REQUESTS
 * says how many; `npm run soak` sends 100,000.
 */
import { readFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { isJsonObject } from "../../src/model/json/json.ts";
import { parseJson } from "../../src/model/json/json-text.ts";
import { agentFolder, metric, ready, startAgent } from "../support/agent-process.ts";
import { apiRequests, type ApiRequest } from "../support/api-requests.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { tokenFor } from "../support/tokens.ts";

const requestCount = Number(process.env["ATTUNE_TEST_REQUESTS"] ?? 3_000);
const concurrency = 8;

/** What has no end, or would end the test. */
function isExcluded(method: string, path: string): boolean {
  return (
    path.includes("/metrics") ||
    path.includes("/logs") ||
    path.endsWith("/stream") ||
    (method === "delete" && path.includes("/auth/"))
  );
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

async function send(
  url: string,
  token: string,
  agent: Agent,
  { method, path, body }: ApiRequest,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const asked = request(
    `${url}${path}`,
    { method, agent, headers: { authorization: `Bearer ${token}`, "content-type": "application/json" } },
    (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), reject);
    },
  );
  asked.once("error", reject);
  asked.end(body);
  return promise;
}

test("random requests get an answer of the documented form, and memory stays flat", async () => {
  const document = parseJson(await readFile(join(repositoryRoot, "docs/openapi.json"), "utf8"));
  if (!isJsonObject(document)) throw new Error("docs/openapi.json is no object");
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  await using folder = await agentFolder({
    databaseUrl: database.url,
    brokerUrl: vhost.url,
    packsDirectory: join(repositoryRoot, "packs"),
    workerName: "fuzzed",
  });
  await using process = await startAgent(folder);
  await ready(process, folder);
  const token = await tokenFor("admin");
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const statuses = new Map<number, number>();
  const check = async (sent: ApiRequest): Promise<void> => {
    const answer = await send(folder.apiUrl, token, agent, sent);
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    const seen = `${sent.method} ${sent.path} ${sent.body ?? ""}\n→ ${answer.status} ${answer.body.slice(0, 500)}`;
    // 503 says that the agent is busy, which it may be.
    expect(answer.status === 503 || answer.status < 500, seen).toBe(true);
    expect(/\n\s+at |node:internal|\.ts:\d/.test(answer.body), seen).toBe(false);
    if (answer.status < 400) return;
    const failure = parseJson(answer.body);
    expect(
      isJsonObject(failure) && typeof failure["error"] === "string" && typeof failure["code"] === "string",
      seen,
    ).toBe(true);
  };
  const requests = apiRequests(document, isExcluded);
  const run = async (count: number): Promise<void> => {
    const sent = fc.sample(requests, count);
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        for (let next = sent.pop(); next !== undefined; next = sent.pop()) await check(next);
      }),
    );
  };

  await run(Math.ceil(requestCount / 3));
  const before = await metric(folder, "process_resident_memory_bytes");
  await run(Math.ceil(requestCount / 3));
  await run(Math.ceil(requestCount / 3));
  const after = await metric(folder, "process_resident_memory_bytes");
  agent.destroy();

  await process.assertRunning();
  expect(statuses.get(200), `only ${JSON.stringify([...statuses])}`).toBeGreaterThan(0);
  expect(after).toBeLessThan(before + 64 * 1024 * 1024);
}, 3_600_000);
