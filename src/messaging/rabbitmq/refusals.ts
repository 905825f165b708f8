/**
 * What RabbitMQ's answers mean for an operator, by AMQP's reply code: the table that docs/errors.md shows (a test
 * compares them). The codes are those of the specification of AMQP 0-9-1, section 1.2 of its reference, and what
 * RabbitMQ uses them for.
 */
import type { ErrorCode } from "../../errors/catalogue.ts";

export interface BrokerRefusal {
  readonly codes: readonly number[];
  readonly code: ErrorCode;
  /** What the broker's own words are about. */
  readonly meaning: string;
  readonly remedy: string;
}

export const brokerRefusals: readonly BrokerRefusal[] = [
  {
    codes: [320],
    code: "BROKER_UNREACHABLE",
    meaning: "the broker shuts down, or an administrator closed the connection",
    remedy: "look at the broker; the agent connects again by itself",
  },
  {
    codes: [402, 530],
    code: "BROKER_VHOST_REFUSED",
    meaning: "there is no such virtual host, the user may not use it, or its limit of connections is reached",
    remedy:
      "create it (rabbitmqctl add_vhost), let the user use it (set_permissions), or correct message_queue.url",
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
    meaning: "an exchange or a queue is not there any more",
    remedy: "find out what deletes it; the agent declares its own again at the next connection",
  },
  {
    codes: [405, 406],
    code: "BROKER_CONFLICT",
    meaning: "an exchange or a queue exists with other properties, or is another connection's alone",
    remedy: "delete the one that the line names, or make its properties agree",
  },
  {
    codes: [311, 312, 313, 501, 502, 503, 504, 505, 506, 540, 541],
    code: "BROKER_REFUSED",
    meaning: "a limit of the broker, or an error of the protocol",
    remedy: "look into the broker's log; if it blames the client, report this line",
  },
];

/** A login that was refused has the code of a right that is missing. */
export const loginRefusal: Omit<BrokerRefusal, "codes"> = {
  code: "BROKER_LOGIN_REFUSED",
  meaning: "the user or the password is wrong, or the user may not connect from this machine",
  remedy:
    "correct the user and password in message_queue.url; without them they are guest's, who may connect from the broker's own machine only",
};
