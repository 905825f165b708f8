/** The connections to the database and the broker that all parts of a worker share. */
import type { Database } from "../database/database.ts";
import { rowOf } from "../database/statement.ts";
import { readInstallation } from "../database/statements/installation.ts";
import { ServerWatch } from "../events/server-watch.ts";
import { MessageQueue } from "../messaging/message-queue.ts";
import { namesOf } from "../messaging/topology.ts";
import type { ServiceContext } from "./service-context.ts";

export interface Connections {
  readonly database: Database;
  readonly serverWatch: ServerWatch;
  /** Identifies the database's content; part of every message's id. */
  readonly installationId: string;
  readonly messageQueue: MessageQueue;
}

export async function openConnections(
  { options, lifetime, clock }: ServiceContext,
  database: Database,
): Promise<Connections> {
  const { config, logger } = options;
  const messageQueue = await lifetime.use(
    await MessageQueue.connect(config.message_queue.url, {
      urlFile: config.message_queue.url_file,
      tls: config.message_queue.tls,
      names: namesOf(config.message_queue),
      logger,
      clock,
      connectionName: config.sensor.worker_name,
    }),
  );
  const { address, kind } = messageQueue.transport;
  logger.info(
    { broker: address, broker_kind: kind, message_format: config.message_queue.format },
    kind === "rabbitmq"
      ? "messages will be published once the broker is reachable"
      : "messages stay in this process, because message_queue.url is not set",
  );
  const installation = await rowOf(database, readInstallation, undefined);
  const serverWatch = new ServerWatch({ database, logger });
  await serverWatch.look();
  return { database, serverWatch, installationId: installation?.id ?? "", messageQueue };
}
