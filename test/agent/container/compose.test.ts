/** The compose files, really started. If the stock images are unavailable, stand-ins have their names. */
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { collectMessages, type MessageCollector } from "../../support/message-collector.ts";
import { type ComposeStack, startStack } from "./compose.ts";
import { type Docker, openDocker } from "./docker.ts";
import { ZombieWatch } from "./zombie-watch.ts";

const sensorServices = ["sensor", "sensor-python", "sensor-node", "sensor-ruby", "sensor-alpine"];
const waiting = { timeout: 120_000, interval: 500 };

// The tests of this block are consecutive steps.
describe("the stack", () => {
  const scope = new AsyncDisposableStack();
  let docker: Docker;
  let stack: ComposeStack;
  let database: Client;
  let collector: MessageCollector;
  let zombies: ZombieWatch;

  beforeAll(async () => {
    docker = scope.use(await openDocker());
    stack = scope.use(await startStack(docker));
    const containers = await Promise.all(sensorServices.map(async (service) => stack.containerOf(service)));
    zombies = scope.use(new ZombieWatch(docker, containers));
    database = await connect();
    collector = await collectMessages(await stack.brokerUrl(), bindings);
  }, 900_000);
  afterAll(async () => scope.disposeAsync());

  const bindings = ["event.created", "enforcement.created"];

  const connect = async (): Promise<Client> => {
    const client = new Client({ connectionString: await stack.databaseUrl() });
    // It is stopped before the client is.
    client.on("error", () => {});
    await client.connect();
    return client;
  };

  const inspect = async (service: string, format: string): Promise<string> =>
    (await docker.run("inspect", `--format={{${format}}}`, await stack.containerOf(service))).trim();

  const eventsOf = async (triggerRef: string, afterId = "0"): Promise<readonly { readonly id: string }[]> => {
    const { rows } = await database.query<{ id: string }>(
      "select id from attune.event where trigger_ref = $1 and id > $2 order by id",
      [triggerRef, afterId],
    );
    return rows;
  };

  test("every agent becomes healthy, found so without a shell", async () => {
    for (const service of sensorServices) {
      await expect.poll(async () => inspect(service, ".State.Health.Status"), waiting).toBe("healthy");
    }
  });

  test("each worker offers what its image has", async () => {
    const { rows } = await database.query<{ name: string; runtimes: string[] }>(
      "select name, capabilities->'runtimes' as runtimes from attune.worker where status = 'active'",
    );

    const runtimesOf = Object.fromEntries(rows.map(({ name, runtimes }) => [name, runtimes]));
    expect(runtimesOf["sensor-default"]).toEqual(
      expect.arrayContaining(["python", "node", "shell", "builtin"]),
    );
    expect(runtimesOf["sensor-ruby"]).toContain("ruby");
    expect(runtimesOf["sensor-alpine"]?.toSorted()).toEqual(["builtin", "shell"]);
  });

  test("lines of sensors inside the containers become events, enforcements and messages", async () => {
    const kinds = (): string[] =>
      [...collector.messages.values()].flatMap(({ message_type: type, payload }) =>
        "trigger_ref" in payload ? [`${type} ${payload.trigger_ref}`] : [],
      );

    await expect.poll(async () => (await eventsOf("logwatch.line")).length, waiting).toBeGreaterThan(0);
    await expect.poll(kinds, waiting).toContain("EventCreated diskwatch.usage");
    await expect.poll(kinds, waiting).toContain("EnforcementCreated diskwatch.usage");
    expect(collector.repetitions()).toBe(0);
  });

  test("after one container is killed its sensors run again, and so does it", async () => {
    const { rows } = await database.query<{ name: string }>(
      `select worker.name
         from attune.sensor_assignment
         join attune.sensor on sensor.id = sensor_assignment.sensor
         join attune.worker on worker.id = sensor_assignment.worker
        where sensor.ref = 'diskwatch.usage'`,
    );
    const worker = rows[0]?.name ?? "";
    const service = worker === "sensor-default" ? "sensor" : worker;
    const last = (await eventsOf("diskwatch.usage")).at(-1)?.id ?? "0";

    // From outside, like a machine failure: the engine treats `docker kill` as the operator's wish.
    process.kill(Number(await inspect(service, ".State.Pid")), "SIGKILL");

    await expect.poll(async () => inspect(service, ".RestartCount"), waiting).not.toBe("0");
    await expect
      .poll(async () => (await eventsOf("diskwatch.usage", last)).length, waiting)
      .toBeGreaterThan(0);
    await expect.poll(async () => inspect(service, ".State.Health.Status"), waiting).toBe("healthy");
  });

  test("the small file adds a worker to the same project and removes it again without changing the stack", async () => {
    const before = await stack.containers();

    await stack.upBeside();

    await expect.poll(async () => inspect("own-sensor", ".State.Health.Status"), waiting).toBe("healthy");
    const { rows } = await database.query(
      "select name from attune.worker where name = 'sensor-compose' and status = 'active'",
    );
    expect(rows).toHaveLength(1);
    expect(await stack.containers()).toEqual(expect.arrayContaining([...before]));

    await stack.removeBeside();

    expect((await stack.containers()).toSorted()).toEqual(before.toSorted());
  });

  test("no zombie stayed in any of them, and one would have been detected", async () => {
    expect([...zombies.found]).toEqual([]);

    // The second program knows nothing of the first, its child, and does not wait for it.
    const parent = ["sh", "-c", "sleep 0.1 & exec sleep 600"];
    await docker.run("exec", "--detach", await stack.containerOf("sensor-python"), ...parent);

    await expect.poll(() => [...zombies.found], waiting).toEqual([expect.stringContaining("(sleep) Z")]);
    await zombies[Symbol.asyncDispose]();
  });

  // Servers read the passwords of their environment only when their volumes are new.
  test("after a change of the passwords in docker/.env, docker/up brings the same data and workers up", async () => {
    await collector[Symbol.asyncDispose]();
    const [last] = (await eventsOf("diskwatch.usage")).slice(-1);
    const before = [await stack.databaseUrl(), await stack.brokerUrl()];
    await database.end();

    await stack.changePasswords();

    const after = [await stack.databaseUrl(), await stack.brokerUrl()];
    for (const [index, url] of before.entries())
      expect(new URL(after[index] ?? "").password).not.toBe(new URL(url).password);
    database = await connect();
    collector = await collectMessages(await stack.brokerUrl(), bindings);
    for (const service of sensorServices) {
      await expect.poll(async () => inspect(service, ".State.Health.Status"), waiting).toBe("healthy");
    }
    expect((await eventsOf("diskwatch.usage")).map(({ id }) => id)).toContain(last?.id);
    await expect
      .poll(async () => (await eventsOf("diskwatch.usage", last?.id)).length, waiting)
      .toBeGreaterThan(0);
    await expect.poll(() => collector.messages.size, waiting).toBeGreaterThan(0);

    const old = new URL(await stack.databaseUrl());
    old.password = new URL(before[0] ?? "").password;
    const outdated = new Client({ connectionString: old.href });
    await expect(outdated.connect()).rejects.toMatchObject({ code: "28P01" });
  });

  test("down stops the agents before the services they need, each within its grace period", async () => {
    await collector[Symbol.asyncDispose]();

    const endings = await stack.down();

    const services = endings.map(({ service }) => service);
    expect(services.slice(0, -2).toSorted()).toEqual(sensorServices.toSorted());
    expect(services.slice(-2).toSorted()).toEqual(["postgres", "rabbitmq"]);
    for (const { service, exitCode, signals } of endings) {
      expect({ service, exitCode }).toEqual({ service, exitCode: "0" });
      expect(signals, service).toHaveLength(1);
    }
    expect(await stack.containers()).toEqual([]);
    await database.end();
  });
});
