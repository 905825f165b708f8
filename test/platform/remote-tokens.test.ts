import { createServer, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { RemoteTokens } from "../../src/platform/remote-tokens.ts";

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** A platform that records what it is asked. */
async function platformAnswering(answer: (path: string) => Answer) {
  const asked: string[] = [];
  const respond = async (request: IncomingMessage): Promise<Answer> => {
    const { method, url = "", headers } = request;
    asked.push(`${method} ${url} ${headers.authorization} ${await text(request)}`);
    return answer(url);
  };
  const server = createServer((request, response) => {
    void respond(request).then(({ status, body }) => response.writeHead(status).end(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  const url = `http://127.0.0.1:${typeof bound === "object" ? bound?.port : 0}`;
  return {
    asked,
    url,
    tokens: new RemoteTokens({ url, workerToken: "worker-token" }),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const token = `head.${Buffer.from('{"jti":"j1"}').toString("base64url")}.signature`;
const minted = JSON.stringify({ data: { token, expires_at: "2099-01-01T00:00:00Z" } });
const request = { sensorRef: "my.one", triggerRefs: ["my.happened"], ttlSeconds: 100 };

test("a token is asked for with the worker's, and ended with its own", async () => {
  await using platform = await platformAnswering(() => ({ status: 200, body: minted }));

  const got = await platform.tokens.mint(request);
  await platform.tokens.revoke("j1");
  await platform.tokens.revoke("j1");

  expect(got).toEqual({ token, jti: "j1", expiresAtMs: Date.parse("2099-01-01T00:00:00Z") });
  expect(platform.asked).toEqual([
    'POST /auth/internal/sensor-token Bearer worker-token {"sensor_ref":"my.one","trigger_types":["my.happened"],"ttl_seconds":100}',
    `DELETE /auth/token/j1 Bearer ${token} `,
  ]);
});

test.each([
  [401, '{"error": "no"}', 'it answered 401 {"error": "no"}; set security.worker_token'],
  [503, "later", "it answered 503 later"],
  [200, "<html>", "its answer has no token"],
  [200, '{"data": {"token": "x", "expires_at": "soon"}}', "its answer has no token"],
])("a platform that answers %i %s is a reason for the operator", async (status, body, reason) => {
  await using platform = await platformAnswering(() => ({ status, body }));

  await expect(platform.tokens.mint(request)).rejects.toThrow(reason);
});

test("a platform that does not answer is named with the reason", async () => {
  const platform = await platformAnswering(() => ({ status: 200, body: minted }));
  await platform[Symbol.asyncDispose]();

  await expect(platform.tokens.mint(request)).rejects.toThrow(
    `could not get a token for the sensor from the platform at ${platform.url}: connect ECONNREFUSED`,
  );
});
