import { expect, test } from "vitest";
import { deliveryHealth, type DeliveryFacts } from "../../../src/events/delivery/delivery-health.ts";

const well: DeliveryFacts = {
  broker: { state: "up", condition: "up", detail: "connected to mq:5672", checkedAtMs: 1_000 },
  refused: new Map(),
  unroutable: [],
  owed: { messages: 3, countedAtMs: 1_000 },
  nowMs: 4_000,
};

test("the part reports how many messages are pending, whatever the broker does", () => {
  const broker = { state: "down", condition: "blocked", detail: "it accepts none", checkedAtMs: 1 } as const;

  expect(deliveryHealth(well)).toMatchObject({
    state: "up",
    detail: "connected to mq:5672; messages owed: 3",
  });
  expect(deliveryHealth({ ...well, broker })).toMatchObject({
    state: "down",
    detail: "it accepts none; messages owed: 3",
  });
});

test("an outdated count is reported with its age, and an unknown one is omitted", () => {
  expect(deliveryHealth({ ...well, nowMs: 61_000 }).detail).toBe(
    "connected to mq:5672; messages owed: 3 (counted 60 s ago)",
  );
  expect(deliveryHealth({ ...well, owed: undefined }).detail).toBe("connected to mq:5672");
});

test("messages that are refused are counted in words", () => {
  const refused = (count: number) =>
    new Map([["event.created", { count, finalCount: 0, reason: "it is full" }]]);

  expect(deliveryHealth({ ...well, refused: refused(1) }).detail).toContain(
    "1 message under event.created is refused: it is full",
  );
  expect(deliveryHealth({ ...well, refused: refused(2) }).detail).toContain(
    "2 messages under event.created are refused: it is full",
  );
});
