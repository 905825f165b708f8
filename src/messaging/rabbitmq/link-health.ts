/** What health says about the connection to the broker. */
import type { BrokerCondition, BrokerHealth } from "../message-transport.ts";

/** A broker under load may take a second or two to answer; longer is worth telling. */
const silentAfterMs = 5_000;

export interface LinkFacts {
  readonly address: string;
  readonly link:
    | { readonly kind: "starting" }
    | { readonly kind: "up" }
    | { readonly kind: "down"; readonly failure: { readonly reason: string } };
  /** Why the broker accepts no messages; undefined while it does. */
  readonly blockedReason: string | undefined;
  /** How long messages have been in flight without any answer to one. */
  readonly unansweredMs: number;
  /** Messages that are not confirmed. */
  readonly unconfirmed: number;
  /** When the broker was last heard, on the monotonic clock. */
  readonly heardAtMs: number;
}

export function linkHealth({
  address,
  link,
  blockedReason,
  unansweredMs,
  unconfirmed,
  heardAtMs: checkedAtMs,
}: LinkFacts): BrokerHealth {
  const broker = `RabbitMQ at ${address}`;
  const down = (condition: BrokerCondition, problem: string): BrokerHealth => ({
    state: "down",
    condition,
    detail: `${problem}; messages sent and not confirmed: ${unconfirmed}`,
    checkedAtMs,
  });
  switch (link.kind) {
    case "starting":
      return { state: "starting", condition: "connecting", detail: `connecting to ${broker}`, checkedAtMs };
    case "down":
      return down("disconnected", link.failure.reason);
    case "up":
      if (blockedReason !== undefined)
        return down("blocked", `${broker} accepts no messages (${blockedReason})`);
      if (unansweredMs > silentAfterMs)
        return down("silent", `${broker} has confirmed nothing for ${Math.round(unansweredMs / 1_000)} s`);
      return { state: "up", condition: "up", detail: `connected to ${broker}`, checkedAtMs };
  }
}
