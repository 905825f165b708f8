import fc from "fast-check";
import { expect, test } from "vitest";
import { permissionPattern } from "../../../src/messaging/rabbitmq/permissions.ts";
import { usualNames } from "../../../src/messaging/topology.ts";

test("the usual names have a first word in common", () => {
  expect(permissionPattern({ names: usualNames, hasSensorQueues: false })).toBe(String.raw`^attune\.`);
});

test("where sensors read from the broker, their queues are allowed too, and nothing beside them", () => {
  const pattern = new RegExp(permissionPattern({ names: usualNames, hasSensorQueues: true }));

  const names = [
    "attune.events",
    "sensor.core.timer",
    "sensors",
    "xsensor.core.timer",
    "other.attune.events",
  ];
  expect(names.filter((name) => pattern.test(name))).toEqual(["attune.events", "sensor.core.timer"]);
});

test("whatever the names are, each is allowed, and so is the exchange that may take the dead-letter one's place", () => {
  const name = fc.stringMatching(/^[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,10}$/);
  const names = fc.record({ events: name, executions: name, deadLetters: name, deadLetterQueue: name });

  fc.assert(
    fc.property(names, (all) => {
      const pattern = new RegExp(permissionPattern({ names: all, hasSensorQueues: false }));
      for (const each of [...Object.values(all), `${all.deadLetters}.topic`]) {
        expect(pattern.test(each)).toBe(true);
        expect(pattern.test(`x${each}`) && !Object.values(all).includes(`x${each}`)).toBe(false);
      }
    }),
  );
});
