/**
 * RabbitMQ for tests: a private virtual host on the shared broker, or an entire private broker.
 *
 * The shared broker is named by ATTUNE_TEST_RABBITMQ_URL and ATTUNE_TEST_RABBITMQ_MANAGEMENT_URL;
 * without them it is the one that scripts/test provides on the usual ports.
 */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../scripts/services/free-port.ts";
import { startRabbitmq, type RabbitmqServer } from "../../scripts/services/rabbitmq.ts";

const brokerUrl = process.env["ATTUNE_TEST_RABBITMQ_URL"] ?? "amqp://attune:attune@127.0.0.1:5672";
const managementUrl =
  process.env["ATTUNE_TEST_RABBITMQ_MANAGEMENT_URL"] ?? "http://attune:attune@127.0.0.1:15672";

export interface FreshVhost extends AsyncDisposable {
  /** With credentials and the virtual host. */
  readonly url: string;
  readonly name: string;
  /** Calls the management API; `{vhost}` in the path is replaced by this virtual host. Resolves with its JSON. */
  manage(method: "GET" | "PUT" | "POST" | "DELETE", path: string, body?: object): Promise<unknown>;
}

/** A new, empty virtual host, deleted with everything in it on disposal. */
export async function freshVhost(): Promise<FreshVhost> {
  const name = `attune-test-${randomUUID()}`;
  const manage: FreshVhost["manage"] = (method, path, body) =>
    callManagement(method, path.replace("{vhost}", name), body);
  await manage("PUT", "/api/vhosts/{vhost}");
  const user = decodeURIComponent(new URL(brokerUrl).username);
  const everything = { configure: ".*", write: ".*", read: ".*" };
  await manage("PUT", `/api/permissions/{vhost}/${encodeURIComponent(user)}`, everything);
  const url = new URL(brokerUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    name,
    manage,
    async [Symbol.asyncDispose]() {
      await manage("DELETE", "/api/vhosts/{vhost}");
    },
  };
}

/** A broker of the test's own, to be stopped, killed and starved; gone with its files on disposal. */
export async function privateBroker(configuration: readonly string[] = []): Promise<RabbitmqServer> {
  const directory = await mkdtemp(join(tmpdir(), "attune-rabbitmq-"));
  const port = await freePort();
  const managementPort = await freePort();
  const server = await startRabbitmq({ directory, port, managementPort, configuration });
  const stop = server[Symbol.asyncDispose].bind(server);
  server[Symbol.asyncDispose] = async () => {
    await stop();
    await rm(directory, { recursive: true, force: true });
  };
  return server;
}

async function callManagement(method: string, path: string, body?: object): Promise<unknown> {
  const { origin, username, password } = new URL(managementUrl);
  const response = await fetch(`${origin}${path}`, {
    method,
    headers: {
      authorization: `Basic ${btoa(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)}`,
      "content-type": "application/json",
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}
