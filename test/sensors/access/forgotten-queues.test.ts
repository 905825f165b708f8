/**
 * Queues of sensors that no longer exist, on real RabbitMQ and PostgreSQL.
 *
 * Goal: the queue of a sensor that was deleted while no agent ran goes away, and no queue that somebody may still use does.
 */
import { connect } from "amqplib";
import { expect, test } from "vitest";
import type { Database } from "../../../src/database/database.ts";
import { rowsOf } from "../../../src/database/statement.ts";
import { rememberSensorQueue } from "../../../src/database/statements/sensor-queues.ts";
import { openRabbitmq } from "../../../src/messaging/rabbitmq/rabbitmq.ts";
import type { SensorQueues } from "../../../src/messaging/sensor-queues.ts";
import { ForgottenQueues } from "../../../src/sensors/access/forgotten-queues.ts";
import { silentLogger as logger } from "../../../src/telemetry/logger.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { agentFolder, ready, startAgent } from "../../support/agent-process.ts";
import { packFolder } from "../../support/pack-folder.ts";
import { insertRule, insertSensor, insertTrigger, query } from "../../support/platform-rows.ts";
import { freshDatabase } from "../../support/postgres.ts";
import { freshVhost, type FreshVhost } from "../../support/rabbitmq.ts";

const soon = { timeout: 30_000, interval: 50 };
const exchange = "attune.events";

test("the queue of a sensor that was deleted while no agent ran is deleted by the next agent", async () => {
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();
  await using packs = await packFolder({
    "demo/sensors/ear.sh": "while :; do sleep 0.2; done\n",
    "demo/sensors/eye.sh": "while :; do sleep 0.2; done\n",
  });
  await insertTrigger(fresh.database, "demo.tick");
  await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  for (const name of ["ear", "eye"]) {
    await insertSensor(fresh.database, {
      ref: `demo.${name}`,
      triggerRef: "demo.tick",
      runtimeRef: "core.sensor.shell",
      protocol: "standalone",
      entrypoint: `${name}.sh`,
    });
  }
  await using folder = await agentFolder({
    databaseUrl: fresh.url,
    brokerUrl: vhost.url,
    packsDirectory: packs.directory,
    workerName: "first",
    sensor: { share_broker: true },
  });
  {
    await using agent = await startAgent(folder);
    await ready(agent, folder);
    await expect.poll(() => queuesOf(vhost), soon).toEqual(["sensor.demo.ear", "sensor.demo.eye"]);
    agent.kill("SIGKILL");
    await agent.ended;
  }
  await query(fresh.database, "delete from sensor where ref = 'demo.ear'");

  await using agent = await startAgent(folder);
  await ready(agent, folder);

  await expect.poll(() => queuesOf(vhost), soon).toEqual(["sensor.demo.eye"]);
  await expect.poll(() => rememberedBy(fresh.database), soon).toEqual(["demo.eye"]);
}, 90_000);

test("a queue stays while its sensor should run, and goes when it is disabled or has another protocol", async () => {
  await using scene = await openScene();
  await scene.addSensor("demo.ear");
  await scene.prepare("demo.ear");
  await scene.look();
  expect(await queuesOf(scene.vhost)).toEqual(["sensor.demo.ear"]);

  await query(scene.database, "update sensor set enabled = false");
  await scene.look();
  expect(await queuesOf(scene.vhost)).toEqual([]);

  await query(scene.database, "update sensor set enabled = true");
  await scene.prepare("demo.ear");
  await query(scene.database, "update sensor set protocol = 'stream'");
  await scene.look();
  expect(await queuesOf(scene.vhost)).toEqual([]);
  expect(await rememberedBy(scene.database)).toEqual([]);
});

test("a queue with a consumer stays until the consumer has gone", async () => {
  await using scene = await openScene();
  await scene.prepare("demo.ear");
  await scene.prepare("demo.eye");
  const connection = await connect(scene.vhost.url);
  const channel = await connection.createChannel();
  await channel.consume("sensor.demo.ear", () => undefined);

  await scene.look();
  expect(await queuesOf(scene.vhost)).toEqual(["sensor.demo.ear"]);
  expect(await rememberedBy(scene.database)).toEqual(["demo.ear"]);

  await connection.close();
  await expect
    .poll(async () => {
      await scene.look();
      return queuesOf(scene.vhost);
    }, soon)
    .toEqual([]);
});

test("a queue that agents of this database did not prepare stays", async () => {
  await using scene = await openScene();
  await scene.queues.prepare("demo.of_another_installation");

  await scene.look();

  expect(await queuesOf(scene.vhost)).toEqual(["sensor.demo.of_another_installation"]);
});

test("a queue with other properties is somebody else's: it stays, and is forgotten", async () => {
  await using scene = await openScene();
  await scene.prepare("demo.ear");
  await scene.queues.remove("demo.ear");
  await scene.vhost.manage("PUT", "/api/queues/{vhost}/sensor.demo.ear", {
    durable: true,
    arguments: { "x-max-length": 5 },
  });

  await scene.look();

  expect(await queuesOf(scene.vhost)).toEqual(["sensor.demo.ear"]);
  expect(await rememberedBy(scene.database)).toEqual([]);
});

test("a copy of the database deletes no queue that the original prepared", async () => {
  await using original = await openScene();
  await original.addSensor("demo.ear");
  await original.prepare("demo.ear");
  await using copy = await openScene(original.vhost);
  const [row] = await query<{ content: object }>(
    original.database,
    "select to_jsonb(sensor_queue) as content from sensor_queue",
  );
  await query(
    copy.database,
    "insert into sensor_queue select * from jsonb_populate_record(null::sensor_queue, $1)",
    [JSON.stringify(row?.content)],
  );

  await copy.look();
  expect(await queuesOf(original.vhost)).toEqual(["sensor.demo.ear"]);

  // From now on it is the copy's.
  await copy.prepare("demo.ear");
  await copy.look();
  expect(await queuesOf(original.vhost)).toEqual([]);
});

test("queues of another broker or exchange stay", async () => {
  await using scene = await openScene();
  await scene.prepare("demo.ear");
  await scene.prepare("demo.eye");
  await query(scene.database, "update sensor_queue set exchange = 'other' where sensor_ref = 'demo.ear'");
  await query(
    scene.database,
    "update sensor_queue set broker = 'other at localhost' where sensor_ref = 'demo.eye'",
  );

  await scene.look();

  expect(await queuesOf(scene.vhost)).toEqual(["sensor.demo.ear", "sensor.demo.eye"]);
});

// Goal: a queue that is prepared while an agent deletes it exists afterwards.
test("a sensor that is enabled and prepared while its queue is being deleted has one afterwards", async () => {
  await using scene = await openScene();
  await scene.prepare("demo.ear");
  const deleting = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const looking = scene.look({
    ...scene.queues,
    async removeForgotten(sensorRef) {
      deleting.resolve();
      await goOn.promise;
      return await scene.queues.removeForgotten(sensorRef);
    },
  });
  await deleting.promise;
  await scene.addSensor("demo.ear");
  const preparing = scene.prepare("demo.ear");
  await expect
    .poll(() =>
      query(scene.database, "select from pg_locks where not granted and locktype = 'transactionid'"),
    )
    .toHaveLength(1);
  goOn.resolve();
  await looking;
  await preparing;

  expect(await queuesOf(scene.vhost)).toEqual(["sensor.demo.ear"]);
  expect(await rememberedBy(scene.database)).toEqual(["demo.ear"]);
});

test("a sensor that is enabled between the choice of its queue and the lock keeps it", async () => {
  await using scene = await openScene();
  await scene.prepare("demo.ear");
  // What happens between two statements of the transaction.
  const database: Pick<Database, "transaction"> = {
    transaction: (work) =>
      scene.database.transaction((transaction) =>
        work({
          async query(statement) {
            if ("name" in statement && statement.name === "is_queue_forgotten")
              await scene.addSensor("demo.ear");
            return await transaction.query(statement);
          },
        }),
      ),
  };

  await scene.look(scene.queues, database);

  expect(await queuesOf(scene.vhost)).toEqual(["sensor.demo.ear"]);
});

test("of several agents each deletes what no other does", async () => {
  await using scene = await openScene();
  const refs = Array.from({ length: 12 }, (_, n) => `demo.ear${n}`);
  for (const ref of refs) await scene.prepare(ref);
  const removed: string[] = [];
  const queues: SensorQueues = {
    ...scene.queues,
    async removeForgotten(sensorRef) {
      removed.push(sensorRef);
      return await scene.queues.removeForgotten(sensorRef);
    },
  };

  await Promise.all(Array.from({ length: 4 }, () => scene.look(queues)));

  expect(removed.toSorted()).toEqual(refs.toSorted());
  expect(await queuesOf(scene.vhost)).toEqual([]);
});

async function openScene(at?: FreshVhost) {
  const fresh = await freshDatabase();
  const vhost = at ?? (await freshVhost());
  const transport = await openRabbitmq({ url: vhost.url, logger });
  await transport.connected(10_000);
  const { sensorQueues: queues } = transport;
  if (queues === undefined) throw new Error("RabbitMQ has queues");
  const { database } = fresh;
  await insertTrigger(database, "demo.tick");
  await insertRule(database, { ref: "demo.rule", triggerRef: "demo.tick" });
  return {
    database,
    vhost,
    queues,
    addSensor: (ref: string) =>
      insertSensor(database, { ref, triggerRef: "demo.tick", protocol: "standalone" }),
    /** As an agent does before it starts the sensor. */
    async prepare(sensorRef: string) {
      await rowsOf(database, rememberSensorQueue, { sensorRef, exchange, broker: await queues.home() });
      await queues.prepare(sensorRef);
    },
    /** Looks once. */
    async look(by: SensorQueues = queues, on: Pick<Database, "transaction"> = database) {
      const once = new AbortController();
      const forgotten = new ForgottenQueues({
        database: on,
        queues: by,
        exchange,
        isBrokerUp: () => true,
        logger: {
          ...logger,
          warn: (fields) => {
            throw new Error("a look failed", { cause: fields });
          },
        },
        clock: { ...systemClock, sleep: async () => once.abort() },
        random: () => 0.5,
      });
      await forgotten.run(once.signal);
    },
    async [Symbol.asyncDispose]() {
      await transport[Symbol.asyncDispose]();
      if (at === undefined) await vhost[Symbol.asyncDispose]();
      await fresh[Symbol.asyncDispose]();
    },
  };
}

async function queuesOf(vhost: FreshVhost): Promise<readonly string[]> {
  const queues = await vhost.manage("GET", "/api/queues/{vhost}?disable_stats=true&enable_queue_totals=true");
  if (!Array.isArray(queues)) throw new Error("the management API answers with a list");
  return queues
    .map(({ name }: { readonly name: string }) => name)
    .filter((name) => name.startsWith("sensor."))
    .toSorted();
}

async function rememberedBy(database: Database): Promise<readonly string[]> {
  const rows = await query<{ sensor_ref: string }>(
    database,
    "select sensor_ref from sensor_queue order by sensor_ref",
  );
  return rows.map(({ sensor_ref: ref }) => ref);
}
