import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { probeAgent, type Probe } from "../../src/agent/commands/doctor-probe.ts";

/** Something that answers like an agent's API. */
async function agentAnswering(statusCode: number) {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.writeHead(statusCode).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // SAFETY: a server that listens on TCP has an address of this form.
  const { port } = server.address() as AddressInfo;
  return { asked, port, [Symbol.asyncDispose]: async () => void server.close() };
}

async function probing(probe: Probe, environment: Readonly<Record<string, string>>) {
  const complaints: string[] = [];
  const exitCode = await probeAgent(
    {
      environment,
      configPath: undefined,
      workerName: undefined,
      format: "text",
      print: () => {},
      complain: (text) => complaints.push(text),
    },
    probe,
  );
  return { exitCode, complaints: complaints.join("") };
}

test("an agent that says it is ready is", async () => {
  await using agent = await agentAnswering(200);

  const { exitCode } = await probing("ready", { ATTUNE__API__PORT: `${agent.port}` });

  expect(exitCode).toBe(0);
  expect(agent.asked).toEqual(["/health/ready"]);
});

test("an agent that listens on all addresses is asked over loopback", async () => {
  await using agent = await agentAnswering(200);

  const { exitCode } = await probing("live", {
    ATTUNE__API__PORT: `${agent.port}`,
    ATTUNE__API__HOST: "0.0.0.0",
    ATTUNE__SECURITY__JWT_SECRET: "0123456789abcdef0123456789abcdef",
  });

  expect(exitCode).toBe(0);
  expect(agent.asked).toEqual(["/health/live"]);
});

test("an agent that says it is not ready is not", async () => {
  await using agent = await agentAnswering(503);

  expect((await probing("ready", { ATTUNE__API__PORT: `${agent.port}` })).exitCode).toBe(1);
});

test("no agent, and one that cannot be asked, are failures with a reason", async () => {
  const { port } = await agentAnswering(200).then(async (agent) => {
    await agent[Symbol.asyncDispose]();
    return agent;
  });

  const absent = await probing("live", { ATTUNE__API__PORT: `${port}` });
  const unaskable = await probing("live", { ATTUNE__API__ENABLED: "false" });

  expect(absent).toMatchObject({ exitCode: 1 });
  expect(absent.complaints).toContain(`no agent answers at http://127.0.0.1:${port}/health/live`);
  expect(unaskable).toMatchObject({ exitCode: 1 });
  expect(unaskable.complaints).toContain("api.enabled");
});
