/** Explains a broker failure to an operator: why it happened and what to do. */
import {
  closedEarly,
  explainConnectionFailure,
  timedOut,
  type Explanation,
  type ServerSettings,
} from "../../errors/connection-failure.ts";
import { reasonOf } from "./session.ts";
import { brokerRefusals, loginRefusal } from "./refusals.ts";

const settings: ServerSettings = {
  server: "RabbitMQ",
  url: "message_queue.url",
  tls: "message_queue.tls",
  unreachable: "BROKER_UNREACHABLE",
  hadWorked: false,
};

/** For a broker that neither answers nor refuses. */
export const silentBroker: Explanation = timedOut(settings);

/** For a broker that accepts nothing over the connection. @param reason in its words */
export function blockedBroker(reason: string): Explanation {
  return {
    code: "BROKER_UNREACHABLE",
    reason: `the broker accepts nothing now (${reason})`,
    remedy: "give the broker more memory or disk space; the agent then tries again",
  };
}

/** `Operation failed: ExchangeDeclare; 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - …"`, as amqplib writes it. */
const reply =
  /(?:Operation failed: \w+; |Channel closed by server: |Connection closed: |Handshake terminated by server: )?(\d{3}) \([A-Z-]+\) with message "(.*)"/s;

/** @param hadWorked whether the failure ended a connection that was in use */
export function explainBrokerFailure(
  error: unknown,
  { hadWorked }: { readonly hadWorked: boolean } = { hadWorked: false },
): Explanation {
  const connection = { ...settings, hadWorked };
  const reason = reasonOf(error);
  const [, code, words = ""] = reply.exec(reason) ?? [];
  if (code !== undefined) {
    const refusal = reason.includes("Handshake terminated")
      ? loginRefusal
      : brokerRefusals.find(({ codes }) => codes.includes(Number(code)));
    return {
      code: refusal?.code ?? "BROKER_REFUSED",
      reason: `${reason.replace(reply, words)} (AMQP ${code})`,
      remedy: refusal?.remedy ?? "check the broker's log",
    };
  }
  return explainConnectionFailure(error, connection) ?? explainClient(reason, connection);
}

/** The client's own failures have no code. */
function explainClient(reason: string, connection: ServerSettings): Explanation {
  if (reason.startsWith("the broker refused the virtual host")) {
    const refusal = brokerRefusals.find(({ codes }) => codes.includes(530));
    return { code: "BROKER_VHOST_REFUSED", reason, remedy: refusal?.remedy ?? "" };
  }
  if (reason === "connect ETIMEDOUT" || /did not answer within/.test(reason)) return timedOut(connection);
  if (/abruptly|^Unexpected close/.test(reason)) return closedEarly(connection);
  if (/^Invalid frame|^Frame size|^Expected ConnectionStart/.test(reason)) {
    return {
      code: "BROKER_UNREACHABLE",
      reason: "the server does not speak AMQP",
      remedy:
        "check that the host and port in message_queue.url are RabbitMQ's, and whether that port requires TLS (message_queue.tls)",
    };
  }
  if (reason.startsWith("SASL mechanism")) {
    const remedy = "enable the PLAIN mechanism on the broker (auth_mechanisms)";
    return { code: "BROKER_LOGIN_REFUSED", reason, remedy };
  }
  return {
    code: "BROKER_UNREACHABLE",
    reason,
    remedy: "check that RabbitMQ is running, message_queue.url, and the broker's log",
  };
}
