/** Answers that are sent while the request's body is still arriving, as clients of other makes see them. */
import { execFile } from "node:child_process";
import { connect } from "node:net";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { RequestError } from "../../src/api/errors.ts";
import { createHttpServer } from "../../src/api/http-server.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { postWithUrllib } from "../support/urllib-post.ts";

const megabytes = 27;
const rounds = 3;

async function start() {
  const server = await createHttpServer({
    certificate: undefined,
    isTrustedProxy: () => false,
    logger: silentLogger,
  });
  server.post("/limited", async () => ({}));
  const refuse = async (): Promise<void> => {
    throw new RequestError("UNAUTHORIZED", "No token.");
  };
  server.post("/private", { onRequest: refuse }, async () => ({}));
  const address = await server.listen({ host: "127.0.0.1", port: 0 });
  return { address, [Symbol.asyncDispose]: () => server.close() };
}

/** Sends everything before it reads, over a connection that it means to keep. */
const httpClient = `
import http.client, sys, urllib.parse
url = urllib.parse.urlparse(sys.argv[1])
client = http.client.HTTPConnection(url.netloc)
chunks = (b"x" * 100_000 for _ in range(${megabytes}0))
client.request("POST", url.path, chunks, {"content-type": "application/json"}, encode_chunked=True)
answer = client.getresponse()
print(answer.status, answer.read().decode())
`;

const withHttpClient = async (url: string) =>
  (await promisify(execFile)("python3", ["-c", httpClient, url])).stdout.trim();

const withFetch = (body: () => string | ReadableStream) => async (url: string) => {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: body(), duplex: "half" });
  return `${response.status} ${await response.text()}`;
};

const chunked = (): ReadableStream => {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(100_000));
      sent += 1;
      if (sent === megabytes * 10) controller.close();
    },
  });
};

test.each([
  { client: "Python's urllib", post: (url: string) => postWithUrllib(url, megabytes) },
  { client: "Python's http.client, in chunks", post: withHttpClient },
  { client: "Node's fetch", post: withFetch(() => "x".repeat(megabytes * 1_000_000)) },
  { client: "Node's fetch, in chunks", post: withFetch(chunked) },
])("$client reads the answer to a large body that is refused", async ({ post }) => {
  await using server = await start();

  for (let round = 0; round < rounds; round += 1) {
    expect(await post(`${server.address}/limited`)).toMatch(/^413 \{.*"code":"PAYLOAD_TOO_LARGE"\}$/);
    expect(await post(`${server.address}/private`)).toMatch(/^401 \{.*"code":"UNAUTHORIZED"\}$/);
  }
});

test("a client that goes on sending after its answer is disconnected", async () => {
  await using server = await start();
  const { hostname, port } = new URL(server.address);
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
  const closed = new Promise((resolve) => socket.on("error", () => {}).on("close", resolve));
  const chunk = Buffer.from(`10000\r\n${"x".repeat(65_536)}\r\n`);
  const send = (): void => {
    while (socket.writable && socket.write(chunk));
  };
  socket.on("drain", send).resume();
  socket.write(
    "POST /limited HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
  );
  send();
  await closed;

  expect(socket.bytesWritten).toBeGreaterThan(megabytes * 1_000_000);
});

test("a refused request with a short body leaves its connection open", async () => {
  await using server = await start();
  const { hostname, port } = new URL(server.address);
  const socket = connect(Number(port), hostname).setEncoding("latin1");
  let answers = "";
  socket.on("data", (text: string) => (answers += text));
  const head =
    "POST /private HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n";
  socket.write(head);
  await expect.poll(() => answers).toMatch(/UNAUTHORIZED/);
  socket.write(`{}${head}{}`);
  await expect.poll(() => answers.match(/HTTP\/1\.1 401/g)).toHaveLength(2);
  socket.destroy();
});
