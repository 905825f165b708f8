/** Which rows a request for a webhook is answered from, with reads that the test lets go on. */
import { expect, test } from "vitest";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { WebhookEndpoints } from "../../src/webhooks/webhook-endpoints.ts";
import { fakeClock } from "../support/fake-clock.ts";

/** A database whose statements each see the keys of their beginning and answer when the test says so. */
function heldRig() {
  const clock = fakeClock();
  const keys: string[] = [];
  const reads: { readonly answer: () => void; readonly fail: () => void }[] = [];
  const database = {
    async query() {
      const rows = keys.map((key, index) => ({
        kind: "trigger",
        id: `${index + 1}`,
        ref: `t.${key}`,
        pack_ref: null,
        key,
        settings: {},
      }));
      const { promise, resolve, reject } = Promise.withResolvers<{ rows: object[] }>();
      reads.push({
        answer: () => resolve({ rows }),
        fail: () => reject(new Error("the database does not answer")),
      });
      return promise;
    },
  };
  const endpoints = new WebhookEndpoints({ database, logger: silentLogger, clock });
  return {
    clock,
    reads,
    endpoints,
    /** As when a row is inserted and its notification arrives. */
    add: (key: string): void => {
      keys.push(key);
      endpoints.wake();
    },
    find: async (key: string) => (await endpoints.find(key, "POST")).kind,
    /** Lets everything run that can, and the next read begin. */
    settle: () => clock.advance(100),
  };
}

test("a request after a change is not answered from rows that were read before it", async () => {
  const { add, find, reads, settle } = heldRig();
  add("one");
  const before = find("one");
  await settle();

  add("two");
  const after = find("two");
  await settle();
  expect(reads).toHaveLength(1);
  reads[0]?.answer();
  await settle();
  reads[1]?.answer();

  expect([await before, await after]).toEqual(["found", "found"]);
});

test("however many requests and changes there are, one read runs and one waits", async () => {
  const { add, find, reads, settle } = heldRig();
  add("one");
  const asked = [find("one"), find("one")];
  await settle();
  asked.push(find("one"));
  for (const key of ["two", "three", "four"]) {
    add(key);
    asked.push(find(key), find("one"));
    await settle();
  }

  reads[0]?.answer();
  await settle();
  reads[1]?.answer();

  expect(await Promise.all(asked)).toEqual(asked.map(() => "found"));
  expect(await find("four")).toBe("found");
  expect(reads).toHaveLength(2);
});

test("a failed read concerns only those who waited for it, and the table before it is kept", async () => {
  const { add, find, reads, settle } = heldRig();
  const first = find("one");
  await settle();
  add("one");
  const second = find("one");
  reads[0]?.fail();
  await expect(first).rejects.toThrow("does not answer");
  await settle();
  reads[1]?.answer();
  expect(await second).toBe("found");

  add("two");
  const third = [find("one"), find("two")];
  await settle();
  reads[2]?.fail();
  expect(await Promise.all(third)).toEqual(["found", "unknown"]);

  const fourth = find("two");
  await settle();
  reads[3]?.answer();
  expect(await fourth).toBe("found");
});
