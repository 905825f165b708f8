/**
 * The broker's URL, taken apart once: what may be shown, and what is needed to connect.
 */
import { OperatorError } from "../../errors/operator-error.ts";
import { serviceUrlProblem } from "../../model/texts/service-url.ts";

export interface BrokerAddress {
  /** For people: host:port/vhost, never credentials. */
  readonly shown: string;
  readonly protocol: "amqp" | "amqps";
  readonly hostname: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  /** Percent-encoded as in the URL; empty is the default virtual host `/`. */
  readonly vhost: string;
}

/** @throws OperatorError when the text is no amqp:// or amqps:// URL; the text itself is not repeated */
export function brokerAddress(url: string): BrokerAddress {
  const problem = serviceUrlProblem(url);
  const parsed = URL.parse(url);
  const protocol = parsed?.protocol.slice(0, -1);
  if (
    problem !== undefined ||
    parsed === null ||
    parsed.hostname === "" ||
    (protocol !== "amqp" && protocol !== "amqps")
  ) {
    throw new OperatorError({
      code: "CONFIG_INVALID",
      attempt: "connect to the message broker",
      reason: `its URL ${problem ?? "is not of the form amqp://user@host:port/vhost"}`,
      remedy: "correct message_queue.url",
    });
  }
  const port = parsed.port === "" ? (protocol === "amqp" ? 5672 : 5671) : Number(parsed.port);
  const vhost = parsed.pathname.slice(1);
  return {
    shown: `${parsed.hostname}:${port}/${decodeURIComponent(vhost)}`,
    protocol,
    hostname: parsed.hostname.replace(/^\[|\]$/g, ""),
    port,
    // The broker's own default login, for a URL without one.
    username: parsed.username === "" ? "guest" : decodeURIComponent(parsed.username),
    password: parsed.username === "" ? "guest" : decodeURIComponent(parsed.password),
    vhost,
  };
}

export function isBrokerUrl(text: string): boolean {
  return /^amqps?:\/\/./.test(text) && serviceUrlProblem(text) === undefined;
}
