import { expect, test } from "vitest";
import { linkHealth, type LinkFacts } from "../../../src/messaging/rabbitmq/link-health.ts";

function healthOf(changes: Partial<LinkFacts>): readonly [string, string, string] {
  const { state, condition, detail, checkedAtMs } = linkHealth({
    address: "broker:5672/",
    link: { kind: "up" },
    blockedReason: undefined,
    unansweredMs: 0,
    unconfirmed: 7,
    heardAtMs: 42,
    ...changes,
  });
  expect(checkedAtMs).toBe(42);
  return [state, condition, detail];
}

test("without a first answer it is starting, and with a connection up", () => {
  expect(healthOf({ link: { kind: "starting" } })).toEqual([
    "starting",
    "connecting",
    "connecting to RabbitMQ at broker:5672/",
  ]);
  expect(healthOf({})).toEqual(["up", "up", "connected to RabbitMQ at broker:5672/"]);
});

test("without a connection it is down with the reason, whatever was known of the last one", () => {
  const link = { kind: "down", failure: { reason: "nothing listens there" } } as const;

  expect(healthOf({ link, blockedReason: "low on memory", unansweredMs: 60_000 })).toEqual([
    "down",
    "disconnected",
    "nothing listens there; messages sent and not confirmed: 7",
  ]);
});

test("a broker that accepts nothing is down, with its own reason before its silence", () => {
  expect(healthOf({ blockedReason: "low on memory", unansweredMs: 60_000 })).toEqual([
    "down",
    "blocked",
    "RabbitMQ at broker:5672/ accepts no messages (low on memory); messages sent and not confirmed: 7",
  ]);
});

test("a broker that confirms nothing is down after five seconds, and not before", () => {
  expect(healthOf({ unansweredMs: 5_000 })[1]).toBe("up");
  expect(healthOf({ unansweredMs: 5_600 })).toEqual([
    "down",
    "silent",
    "RabbitMQ at broker:5672/ has confirmed nothing for 6 s; messages sent and not confirmed: 7",
  ]);
});
