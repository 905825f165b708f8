/** The database and the broker. */
import { Type } from "typebox";
import { BrokerName, Count, FileOf, section, Tls, Url } from "./values.ts";

export const database = Type.Object(
  {
    url: Url("PostgreSQL to use; without it, an embedded one in `data_dir`", ["postgres", "postgresql"]),
    url_file: FileOf("`database.url`; reread for each connection"),
    tls: Tls("PostgreSQL"),
    schema: Type.String({
      description: "Schema of the platform's tables",
      default: "attune",
      pattern: "^[a-z_][a-z0-9_]{0,55}$",
      expects: "a name of up to 56 lower-case letters, digits and underscores",
    }),
    max_connections: Count("Maximum number of connections to PostgreSQL", 10, 3),
  },
  section,
);

export const messageQueue = Type.Object(
  {
    url: Url("RabbitMQ to use; without it, an in-process queue", ["amqp", "amqps"]),
    url_file: FileOf("`message_queue.url`; reread for each connection"),
    format: Type.Enum(["envelope", "cloudevents_structured", "cloudevents_binary"], {
      description:
        "How to write messages about events and enforcements; those about rules are always envelopes",
      default: "envelope",
    }),
    exchange: BrokerName("Exchange to publish everything to", "attune.events"),
    executions_exchange: BrokerName("Exchange to which enforcements are forwarded", "attune.executions"),
    dead_letter_exchange: BrokerName("Exchange for messages that consumers reject", "attune.dlx"),
    dead_letter_queue: BrokerName(
      "Queue that collects messages that consumers reject",
      "attune.dead-letters",
    ),
    tls: Tls("RabbitMQ"),
  },
  section,
);
