import fc from "fast-check";
import { expect, test } from "vitest";
import { permissionPattern } from "../../../src/messaging/rabbitmq/permissions.ts";
import { usualNames } from "../../../src/messaging/topology.ts";

test("the usual names have a first word in common", () => {
  expect(permissionPattern(usualNames)).toBe(String.raw`^attune\.`);
});

test("whatever the names are, each is allowed, and so is the exchange that may take the dead-letter one's place", () => {
  const name = fc.stringMatching(/^[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,10}$/);
  const names = fc.record({ events: name, executions: name, deadLetters: name, deadLetterQueue: name });

  fc.assert(
    fc.property(names, (all) => {
      const pattern = new RegExp(permissionPattern(all));
      for (const each of [...Object.values(all), `${all.deadLetters}.topic`]) {
        expect(pattern.test(each)).toBe(true);
        expect(pattern.test(`x${each}`) && !Object.values(all).includes(`x${each}`)).toBe(false);
      }
    }),
  );
});
