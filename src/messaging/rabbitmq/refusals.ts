/**
 * What RabbitMQ's errors mean for an operator, by AMQP reply code. docs/errors.md shows the same table; a test
 * compares the two. The codes are from the AMQP 0-9-1 reference, section 1.2, with RabbitMQ's use of them.
 */
import type { ErrorCode } from "../../errors/catalogue.ts";

export interface BrokerRefusal {
  readonly codes: readonly number[];
  readonly code: ErrorCode;
  /** What the broker's message is about. */
  readonly meaning: string;
  readonly remedy: string;
}

export const brokerRefusals: readonly BrokerRefusal[] = [
  {
    codes: [320],
    code: "BROKER_UNREACHABLE",
    meaning: "the broker is shutting down, or an administrator closed the connection",
    remedy: "check the broker; the agent reconnects automatically",
  },
  {
    codes: [402, 530],
    code: "BROKER_VHOST_REFUSED",
    meaning: "the virtual host does not exist, the user may not use it, or its connection limit is reached",
    remedy:
      "create it (rabbitmqctl add_vhost), grant the user access (set_permissions), or correct message_queue.url",
  },
  {
    codes: [403],
    code: "BROKER_RIGHTS_MISSING",
    meaning: "the user lacks a right in the virtual host",
    remedy: String.raw`grant it: "attune-sensor-agent migrate --print-grants" prints the command; with the usual names, '^attune\.' to configure, write and read suffices`,
  },
  {
    codes: [404],
    code: "BROKER_REFUSED",
    meaning: "an exchange or a queue no longer exists",
    remedy: "find out what deletes it; the agent redeclares its own at the next connection",
  },
  {
    codes: [405, 406],
    code: "BROKER_CONFLICT",
    meaning: "an exchange or a queue exists with other properties, or is exclusive to another connection",
    remedy: "delete the one named in this line, or make its properties match",
  },
  {
    codes: [311, 312, 313, 501, 502, 503, 504, 505, 506, 540, 541],
    code: "BROKER_REFUSED",
    meaning: "a broker limit was reached, or the protocol was violated",
    remedy: "check the broker's log; if it blames the client, report this line",
  },
];

/** A refused login has the same code as a missing right. */
export const loginRefusal: Omit<BrokerRefusal, "codes"> = {
  code: "BROKER_LOGIN_REFUSED",
  meaning: "the user or the password is wrong, or the user may not connect from this machine",
  remedy:
    "correct the user and password in message_queue.url; the default user, guest, may connect only from the broker's own machine",
};
