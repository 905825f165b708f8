import { createServer } from "node:http";
import { once } from "node:events";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { expect, test } from "vitest";
import { startApi } from "../../src/api/server.ts";
import { probeAgent, type Probe } from "../../src/agent/commands/doctor-probe.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import type { PartHealth } from "../../src/telemetry/part-health.ts";

/** An agent's API as this version serves it, or with one part down. */
async function agentBeing(state: PartHealth["state"]) {
  const parts = () => ({ database: { state, detail: "", checkedAtMs: 0 } });
  const api = await startApi({
    section: "api",
    host: "127.0.0.1",
    port: 0,
    health: { version: "1.2.3", workerName: "w1", parts, monotonicMs: () => 0 },
    metrics: { contentType: "text/plain", text: async () => "" },
    logger: silentLogger,
  });
  return { port: new URL(api.address).port, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() };
}

/** Any other program. */
async function serverAnswering(statusCode: number, type: string | null, body: string) {
  const headers = type === null ? {} : { "content-type": type };
  const server = createServer((_, response) => void response.writeHead(statusCode, headers).end(body));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // SAFETY: a server that listens on TCP has an address of this form.
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.asyncDispose]: async () => void server.close() };
}

async function probing(probe: Probe, environment: Readonly<Record<string, string>>) {
  const complaints: string[] = [];
  const printed: string[] = [];
  const exitCode = await probeAgent(
    {
      environment,
      configPath: undefined,
      workerName: undefined,
      print: (text) => printed.push(text),
      complain: (text) => complaints.push(text),
    },
    probe,
  );
  return { exitCode, printed: printed.join(""), complaints: complaints.join("") };
}

test("a ready agent passes the readiness probe", async () => {
  await using agent = await agentBeing("up");

  const { exitCode, printed } = await probing("ready", { ATTUNE__API__PORT: agent.port });

  expect(exitCode).toBe(0);
  expect(JSON.parse(printed)).toMatchObject({ status: "ready", parts: { database: { state: "up" } } });
});

test("an agent that listens on all addresses is asked over loopback", async () => {
  await using agent = await agentBeing("down");

  const { exitCode, printed } = await probing("live", {
    ATTUNE__API__PORT: agent.port,
    ATTUNE__API__HOST: "0.0.0.0",
    ATTUNE__SECURITY__JWT_SECRET: "58d1f3a0c27e94b6d05a8e1c63f7249b",
  });

  expect(exitCode).toBe(0);
  expect(JSON.parse(printed)).toEqual({ status: "ok", worker: "w1" });
});

test("an agent without API is asked where it serves its metrics", async () => {
  await using agent = await agentBeing("up");
  const environment = { ATTUNE__API__ENABLED: "false", ATTUNE__METRICS__PORT: agent.port };

  const { exitCode, printed } = await probing("ready", environment);

  expect(exitCode).toBe(0);
  expect(JSON.parse(printed)).toMatchObject({ status: "ready" });
});

test("an agent that is not ready fails the readiness probe", async () => {
  await using agent = await agentBeing("down");

  const { exitCode, printed } = await probing("ready", { ATTUNE__API__PORT: agent.port });

  expect(exitCode).toBe(1);
  expect(JSON.parse(printed)).toMatchObject({ status: "not ready" });
});

test.each([
  [200, "text/html; charset=utf-8", "<html>\n<body>Welcome</body>\n</html>"],
  [404, null, "Not Found"],
  [200, "application/json", '{"status":"UP"}'],
  [200, "application/json", '{"status":"ok"}'],
  [404, "application/json", '{"error":"no such page","code":"NOT_FOUND"}'],
])("an answer of %j %j %j is not the agent's, and one line says so", async (status, type, body) => {
  await using server = await serverAnswering(status, type, body);

  for (const probe of ["live", "ready"] as const) {
    const { exitCode, printed, complaints } = await probing(probe, { ATTUNE__API__PORT: `${server.port}` });

    expect(exitCode).toBe(1);
    expect(printed).toBe("");
    expect(complaints).toMatch(/^what answers at http:\/\/\S+ is not the agent \(.*\): set api\.port .*\n$/);
    expect(complaints).toContain(`(status ${status}, ${type ?? "no content type"})`);
  }
});

test("a missing agent and one without an API are failures with a reason", async () => {
  const { port } = await agentBeing("up").then(async (agent) => {
    await agent[Symbol.asyncDispose]();
    return agent;
  });

  const absent = await probing("live", { ATTUNE__API__PORT: port });
  const unaskable = await probing("live", { ATTUNE__API__ENABLED: "false" });

  expect(absent).toMatchObject({ exitCode: 1 });
  expect(absent.complaints).toContain(`no agent answers at http://127.0.0.1:${port}/health/live`);
  expect(unaskable).toMatchObject({ exitCode: 1 });
  expect(unaskable.complaints).toContain("api.enabled");
});

/** What a server does with a connection instead of answering it in full. */
const unfinished: readonly (readonly [string, (socket: Socket) => void, string])[] = [
  ["nothing", () => {}, "no answer within 5 s"],
  [
    "half an answer",
    (socket) => void socket.write(`${head}content-length: 100\r\n\r\n{`),
    "no answer within 5 s",
  ],
  [
    "a broken answer",
    (socket) => void socket.end(`${head}content-length: 100\r\n\r\n{`),
    "the answer is incomplete",
  ],
  ["an endless answer", endlessly, "the answer is longer than 131072 bytes"],
  ["a change of protocol", (socket) => void socket.write(upgrade), "the answer is incomplete"],
  ["another protocol", (socket) => void socket.end("SSH-2.0-OpenSSH_9.2\r\n"), "Parse Error: Expected HTTP/"],
];
const upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n";
const head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

function endlessly(socket: Socket): void {
  socket.write(`${head}\r\n`);
  const more = (): void => {
    while (socket.writable && socket.write(" ".repeat(65_536)));
  };
  socket.on("drain", more);
  more();
}

test.each(unfinished)(
  "a program that gives %s is not an agent, and one line says so",
  async (_, give, reason) => {
    await using scope = new AsyncDisposableStack();
    const server = createTcpServer((socket) => {
      scope.defer(() => void socket.destroy());
      socket.on("error", () => {});
      socket.once("data", () => give(socket));
    });
    scope.defer(() => void server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    // SAFETY: a server that listens on TCP has an address of this form.
    const { port } = server.address() as AddressInfo;

    const { exitCode, printed, complaints } = await probing("live", { ATTUNE__API__PORT: `${port}` });

    expect({ exitCode, printed }).toEqual({ exitCode: 1, printed: "" });
    expect(complaints).toMatch(/^no agent answers at http:\/\/127\.0\.0\.1:\d+\/health\/live: .+\n$/);
    expect(complaints).toContain(reason);
  },
);
