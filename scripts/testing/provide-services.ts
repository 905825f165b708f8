/**
 * Provides PostgreSQL and RabbitMQ for the tests: servers given by URL, or else running on this machine and
 * accepting the tests' login, or else private ones, installed if necessary and stopped at the end.
 */
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { requireInstalled } from "../services/debian-packages.ts";
import { freePort } from "../services/free-port.ts";
import { postgresql } from "../services/postgres-cluster.ts";
import { startPostgres } from "../services/postgres.ts";
import { rabbitmq, startRabbitmq } from "../services/rabbitmq.ts";

const localDatabaseUrl = "postgresql://attune:attune@127.0.0.1:5432/postgres";
const localBrokerUrl = "amqp://attune:attune@127.0.0.1:5672";
const localManagementUrl = "http://attune:attune@127.0.0.1:15672";

/** Environment variables with the addresses of the tests' services. */
export type ServiceEnvironment = Readonly<Record<string, string>>;

/** @param scope disposes of services that had to be started */
export async function provideServices(scope: AsyncDisposableStack): Promise<ServiceEnvironment> {
  return { ...(await provideDatabase(scope)), ...(await provideBroker(scope)) };
}

async function provideDatabase(scope: AsyncDisposableStack): Promise<ServiceEnvironment> {
  const given = process.env["ATTUNE_TEST_DATABASE_URL"];
  if (given !== undefined) return told("PostgreSQL", "given", { ATTUNE_TEST_DATABASE_URL: given });
  if (await acceptsLogin(localDatabaseUrl)) {
    return told("PostgreSQL", "running here", { ATTUNE_TEST_DATABASE_URL: localDatabaseUrl });
  }
  await requireInstalled(postgresql);
  const directory = scope.use(await mkdtempDisposable(join(tmpdir(), "attune-test-postgres-")));
  const server = scope.use(await startPostgres({ directory: directory.path, port: await freePort() }));
  return told("PostgreSQL", "started for this run", { ATTUNE_TEST_DATABASE_URL: server.url });
}

async function provideBroker(scope: AsyncDisposableStack): Promise<ServiceEnvironment> {
  const given = process.env["ATTUNE_TEST_RABBITMQ_URL"];
  const givenManagement = process.env["ATTUNE_TEST_RABBITMQ_MANAGEMENT_URL"];
  if ((given === undefined) !== (givenManagement === undefined)) {
    throw new Error(
      "ATTUNE_TEST_RABBITMQ_URL and ATTUNE_TEST_RABBITMQ_MANAGEMENT_URL belong together; set both",
    );
  }
  if (given !== undefined && givenManagement !== undefined) {
    return told("RabbitMQ", "given", brokerEnvironment(given, givenManagement));
  }
  if (await acceptsManagement(localManagementUrl)) {
    return told("RabbitMQ", "running here", brokerEnvironment(localBrokerUrl, localManagementUrl));
  }
  await requireInstalled(rabbitmq);
  const directory = scope.use(await mkdtempDisposable(join(tmpdir(), "attune-test-rabbitmq-")));
  const ports = { port: await freePort(), managementPort: await freePort() };
  const server = scope.use(await startRabbitmq({ directory: directory.path, ...ports }));
  return told("RabbitMQ", "started for this run", brokerEnvironment(server.url, server.managementUrl));
}

function brokerEnvironment(url: string, managementUrl: string): ServiceEnvironment {
  return { ATTUNE_TEST_RABBITMQ_URL: url, ATTUNE_TEST_RABBITMQ_MANAGEMENT_URL: managementUrl };
}

function told(name: string, origin: string, environment: ServiceEnvironment): ServiceEnvironment {
  const [url] = Object.values(environment);
  process.stdout.write(`${name}: ${url === undefined ? "" : new URL(url).host} (${origin})\n`);
  return environment;
}

async function acceptsLogin(connectionString: string): Promise<boolean> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 3_000 });
  // A later failure of the connection must not end this process.
  client.on("error", () => {});
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}

/** The management interface answers only while the broker itself runs. */
async function acceptsManagement(url: string): Promise<boolean> {
  const { origin, username, password } = new URL(url);
  try {
    const response = await fetch(`${origin}/api/health/checks/port-listener/5672`, {
      headers: { authorization: `Basic ${btoa(`${username}:${password}`)}` },
      signal: AbortSignal.timeout(3_000),
    });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
