/** Answers that are sent while the request's body is still arriving, as clients of other makes see them. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { connect as connectOverTls, getCACertificates, setDefaultCACertificates } from "node:tls";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RequestError } from "../../src/api/errors.ts";
import { createHttpServer } from "../../src/api/http-server.ts";
import { readJsonBodies } from "../../src/api/json-body.ts";
import { RequestBodies } from "../../src/api/request-bodies.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { openAuthority, type Authority, type Certificate } from "../support/certificates.ts";
import { postWithUrllib } from "../support/urllib-post.ts";

const megabytes = 27;
const rounds = 3;
const protocols = ["HTTP", "HTTPS"] as const;
type Protocol = (typeof protocols)[number];

/** A client that goes on sending after the server has ended its side. */
const halfOpen = { allowHalfOpen: true };

let authority: Authority;
let certificate: Certificate;

beforeAll(() => {
  authority = openAuthority("test authority");
  certificate = authority.sign("localhost");
  setDefaultCACertificates([...getCACertificates("bundled"), readFileSync(authority.ca, "utf8")]);
});

afterAll(() => authority[Symbol.dispose]());

async function start(protocol: Protocol) {
  const server = await createHttpServer({
    certificate:
      protocol === "HTTP"
        ? undefined
        : { cert: readFileSync(certificate.cert, "utf8"), key: readFileSync(certificate.key, "utf8") },
    isTrustedProxy: () => false,
    logger: silentLogger,
  });
  readJsonBodies(server, new RequestBodies());
  server.post("/limited", async () => ({}));
  const refuse = async (): Promise<void> => {
    throw new RequestError("UNAUTHORIZED", "No token.");
  };
  server.post("/private", { onRequest: refuse }, async () => ({}));
  const { port } = new URL(await server.listen({ host: "localhost", port: 0 }));
  return {
    address: `${protocol.toLowerCase()}://localhost:${port}`,
    connect: () =>
      protocol === "HTTP"
        ? connect({ ...halfOpen, port: Number(port), host: "localhost" })
        : connectOverTls({ ...halfOpen, port: Number(port), host: "localhost" }),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** Sends everything before it reads, over a connection that it means to keep. */
const httpClient = `
import http.client, sys, urllib.parse
url = urllib.parse.urlparse(sys.argv[1])
client = (http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection)(url.netloc)
chunks = (b"x" * 100_000 for _ in range(${megabytes}0))
headers = {"content-type": "application/json", "x-long": "y" * int(sys.argv[2])}
client.request("POST", url.path, chunks, headers, encode_chunked=True)
answer = client.getresponse()
print(answer.status, answer.read().decode())
`;

/** Of Python: trust in the authority. */
const trusting = () => ({ ...process.env, SSL_CERT_FILE: authority.ca });

const withHttpClient = async (url: string, headerLength = 0) =>
  (
    await promisify(execFile)("python3", ["-c", httpClient, url, `${headerLength}`], { env: trusting() })
  ).stdout.trim();

const withFetch =
  (body: () => string | ReadableStream) =>
  async (url: string, headerLength = 0) => {
    const headers = { "content-type": "application/json", "x-long": "y".repeat(headerLength) };
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

describe.each(protocols)("over %s", (protocol) => {
  test.each([
    { client: "Python's urllib", post: (url: string) => postWithUrllib(url, megabytes, trusting()) },
    { client: "Python's http.client, in chunks", post: withHttpClient },
    { client: "Node's fetch", post: withFetch(() => "x".repeat(megabytes * 1_000_000)) },
    { client: "Node's fetch, in chunks", post: withFetch(chunked) },
  ])("$client reads the answer to a large body that is refused", async ({ post }) => {
    await using server = await start(protocol);

    for (let round = 0; round < rounds; round += 1) {
      expect(await post(`${server.address}/limited`)).toMatch(/^413 \{.*"code":"PAYLOAD_TOO_LARGE"\}$/);
      expect(await post(`${server.address}/private`)).toMatch(/^401 \{.*"code":"UNAUTHORIZED"\}$/);
    }
  });

  test.each([
    { client: "Python's http.client", post: withHttpClient },
    { client: "Node's fetch", post: withFetch(chunked) },
  ])("$client reads the answer to headers that are too long, with a large body", async ({ post }) => {
    await using server = await start(protocol);

    for (const headerLength of [20_000, 500_000]) {
      const answer = await post(`${server.address}/limited`, headerLength);
      expect(answer).toMatch(/^431 \{.*"code":"HEADERS_TOO_LARGE"\}$/);
    }
  });

  test("a client that goes on sending after its answer is disconnected", async () => {
    await using server = await start(protocol);
    const socket = server.connect();
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
    await using server = await start(protocol);
    const socket = server.connect().setEncoding("latin1");
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
});
