/** What an operator reads when the broker fails: almost every failure is provoked with a real broker. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { connect, type Channel } from "amqplib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../scripts/services/free-port.ts";
import { OperatorError } from "../../src/errors/operator-error.ts";
import { declaring } from "../../src/messaging/rabbitmq/declare-topology.ts";
import { explainBrokerFailure } from "../../src/messaging/rabbitmq/explain-failure.ts";
import { openRabbitmq } from "../../src/messaging/rabbitmq/rabbitmq.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { freshVhost, type FreshVhost } from "../support/rabbitmq.ts";
import { recordingLogger } from "../support/recording-logger.ts";

let vhost: FreshVhost;
const user = `stranger-${randomUUID()}`;
beforeAll(async () => {
  vhost = await freshVhost();
  await vhost.manage("PUT", `/api/users/${user}`, { password: "secret-word", tags: "" });
});
afterAll(async () => {
  await vhost.manage("DELETE", `/api/users/${user}`);
  await vhost[Symbol.asyncDispose]();
});

/** The failure of a transport that cannot connect. */
async function failureOf(url: string): Promise<{ code: string; line: string }> {
  await using transport = await openRabbitmq({ url, logger: silentLogger, connectTimeoutMs: 500 });
  try {
    await transport.connected(2_000);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    expect(error.message).not.toMatch(/secret-word|\n/);
    return { code: error.code, line: error.message };
  }
  throw new Error("it connected");
}

test("a connection that worked and is lost is not taken for a wrong address", async () => {
  const target = new URL(vhost.url);
  await using proxy = await startFaultProxy({
    targetHost: target.hostname,
    targetPort: Number(target.port),
  });
  target.port = String(proxy.port);
  const { logger, lines } = recordingLogger();
  await using transport = await openRabbitmq({ url: target.href, logger });
  await transport.connected(20_000);

  proxy.cut();

  await expect.poll(() => lines).not.toEqual([]);
  expect(lines[0]).toMatchObject({
    message: expect.stringContaining("is down; trying again") as unknown,
    fields: {
      reason: "the connection was lost",
      remedy: "check that RabbitMQ is running, its log, and the network in between",
    },
  });
});

function changed(change: (url: URL) => void): string {
  const url = new URL(vhost.url);
  change(url);
  return url.href;
}

describe("a broker that cannot be connected to is named with host, port and virtual host", () => {
  test("a wrong password", async () => {
    const { host } = new URL(vhost.url);

    expect(await failureOf(changed((url) => (url.password = "wrong")))).toEqual({
      code: "BROKER_LOGIN_REFUSED",
      line: `could not connect to RabbitMQ at ${host}/${vhost.name}: ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile. (AMQP 403); correct the user and password in message_queue.url; the default user, guest, may connect only from the broker's own machine`,
    });
  });

  test.each([
    ["a virtual host that is not there", (url: URL) => (url.pathname = "/nowhere")],
    [
      "a virtual host of others",
      (url: URL) => {
        url.username = user;
        url.password = "secret-word";
      },
    ],
  ])("%s", async (_, change) => {
    const failure = await failureOf(changed(change));

    expect(failure.code).toBe("BROKER_VHOST_REFUSED");
    expect(failure.line).toMatch(
      /refused the virtual host: .*; create it \(rabbitmqctl add_vhost\), grant the user access/,
    );
  });

  test("nothing there", async () => {
    const port = await freePort();

    const failure = await failureOf(`amqp://me:secret-word@127.0.0.1:${port}/v`);

    expect(failure.code).toBe("BROKER_UNREACHABLE");
    expect(failure.line).toContain(
      `RabbitMQ at 127.0.0.1:${port}/v: nothing listens on 127.0.0.1:${port}; check that`,
    );
  });

  test("an unknown name", async () => {
    const failure = await failureOf("amqp://me:secret-word@broker.invalid");

    expect(failure.code).toBe("BROKER_UNREACHABLE");
    expect(failure.line).toMatch(
      /DNS has no such name: broker\.invalid|the name broker\.invalid could not be resolved/,
    );
  });

  test("TLS spoken to a plain port", async () => {
    const failure = await failureOf(changed((url) => (url.href = url.href.replace("amqp:", "amqps:"))));

    expect(failure.code).toBe("TLS_FAILED");
    expect(failure.line).toContain(": that port does not speak TLS; ");
  });

  test.each([
    [
      "a program that never answers",
      () => {},
      "it did not answer in time; check that RabbitMQ is running there, any firewalls,",
    ],
    [
      "a program that hangs up",
      (socket: Socket) => socket.end(),
      "it closed the connection without answering; check that the host and port",
    ],
    [
      "a program that speaks otherwise",
      (socket: Socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
      "the server does not speak AMQP; check that the host and port",
    ],
  ])("%s", async (_, onConnection, reason) => {
    await using other = await listener(onConnection);

    const failure = await failureOf(`amqp://me:secret-word@127.0.0.1:${other.port}`);

    expect(failure.code).toBe("BROKER_UNREACHABLE");
    expect(failure.line).toContain(`: ${reason}`);
  });
});

// The transport's operations, one by one.
describe("an operation that the broker refuses names what it was about", () => {
  test.each<[string, (channel: Channel) => Promise<unknown>, string, RegExp]>([
    [
      "a queue that is not there",
      (channel) => channel.checkQueue("gone"),
      "BROKER_REFUSED",
      /^could not declare it: NOT_FOUND - no queue 'gone' in vhost '.*' \(AMQP 404\)$/,
    ],
    [
      "an exchange of another type",
      (channel) => channel.assertExchange("taken", "topic"),
      "BROKER_CONFLICT",
      /inequivalent arg 'type' for exchange 'taken' .*\(AMQP 406\)/,
    ],
    [
      "a queue that is another connection's alone",
      (channel) => channel.assertQueue("alone"),
      "BROKER_CONFLICT",
      /cannot obtain exclusive access to locked queue 'alone' .*\(AMQP 405\)$/,
    ],
  ])("%s", async (_, operation, code, reason) => {
    await using owner = await connected(vhost.url);
    await owner.channel.assertExchange("taken", "direct");
    await owner.channel.assertQueue("alone", { exclusive: true });

    const explanation = await refusalOf(vhost.url, operation);

    expect(explanation.code).toBe(code);
    expect(explanation.reason).toMatch(reason);
  });

  test("a right that the user lacks", async () => {
    const none = { configure: "^$", write: "^$", read: "^$" };
    await vhost.manage("PUT", `/api/permissions/{vhost}/${user}`, none);
    const url = changed((each) => {
      each.username = user;
      each.password = "secret-word";
    });

    const explanation = await refusalOf(url, (channel) => channel.assertExchange("attune.events", "topic"));

    expect(explanation.code).toBe("BROKER_RIGHTS_MISSING");
    expect(explanation.reason).toMatch(
      /^could not declare it: ACCESS_REFUSED - .*attune\.events.* refused for user .*\(AMQP 403\)$/,
    );
    expect(explanation.remedy).toContain(String.raw`'^attune\.'`);
  });
});

test("a connection closed by an administrator is reported in the log and by health", async () => {
  const { logger, lines } = recordingLogger();
  const name = `test-${randomUUID()}`;
  await using transport = await openRabbitmq({ url: vhost.url, logger, connectionName: name });
  await transport.connected(10_000);

  const own = async (): Promise<string | undefined> => {
    const all = (await vhost.manage("GET", "/api/vhosts/{vhost}/connections")) as {
      name: string;
      user_provided_name?: string;
    }[];
    return all.find((each) => each.user_provided_name === name)?.name;
  };
  await expect.poll(own, { timeout: 20_000 }).toBeDefined();
  await vhost.manage("DELETE", `/api/connections/${encodeURIComponent((await own()) ?? "")}`);

  await expect
    .poll(() => JSON.stringify(lines), { timeout: 20_000 })
    .toMatch(/CONNECTION_FORCED - Closed via management plugin \(AMQP 320\)/);
});

// Goal: every reply code of AMQP 0-9-1 is one line with the broker's words.
// Method: amqplib's own sentence for those that no broker here can be made to send.
test.each([
  [311, "CONTENT_TOO_LARGE", "BROKER_REFUSED"],
  [313, "NO_CONSUMERS", "BROKER_REFUSED"],
  [320, "CONNECTION_FORCED", "BROKER_UNREACHABLE"],
  [402, "INVALID_PATH", "BROKER_VHOST_REFUSED"],
  [501, "FRAME_ERROR", "BROKER_REFUSED"],
  [506, "RESOURCE_ERROR", "BROKER_REFUSED"],
  [530, "NOT_ALLOWED", "BROKER_VHOST_REFUSED"],
  [540, "NOT_IMPLEMENTED", "BROKER_REFUSED"],
  [541, "INTERNAL_ERROR", "BROKER_REFUSED"],
  [599, "UNKNOWN", "BROKER_REFUSED"],
])("reply code %i", (reply, words, code) => {
  const error = new Error(
    `Connection closed: ${reply} (${words.replaceAll("_", "-")}) with message "${words} - why"`,
  );

  expect(explainBrokerFailure(error)).toMatchObject({ code, reason: `${words} - why (AMQP ${reply})` });
});

async function refusalOf(url: string, operation: (channel: Channel) => Promise<unknown>) {
  await using other = await connected(url);
  other.channel.on("error", () => {});
  const error: unknown = await declaring("it", operation(other.channel)).catch((each: unknown) => each);
  return explainBrokerFailure(error);
}

async function connected(url: string): Promise<{ channel: Channel } & AsyncDisposable> {
  const connection = await connect(url);
  connection.on("error", () => {});
  const channel = await connection.createChannel();
  return { channel, [Symbol.asyncDispose]: () => connection.close() };
}

async function listener(onConnection: (socket: Socket) => void): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const listening = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  }).listen(0, "127.0.0.1");
  await once(listening, "listening");
  const address = listening.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      listening.close();
      await once(listening, "close");
    },
  };
}
