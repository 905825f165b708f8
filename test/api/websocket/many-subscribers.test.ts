/**
 * Goal: sensors that do not read cost neither memory nor the others a notification, and many cost no more than one reading.
 * Method: real sockets in a process of their own; a tenth of them stop reading, then one rule changes many times.
 *
 * ATTUNE_TEST_SUBSCRIBERS sets how many; 5,000 take some minutes (npm run soak).
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { notifyingApi } from "../../support/notifying-api.ts";
import { query } from "../../support/platform-rows.ts";
import { subscriberAt } from "../../support/rule-subscriber.ts";

const count = Number(process.env["ATTUNE_TEST_SUBSCRIBERS"] ?? 300);
const program = join(import.meta.dirname, "../../fixtures/websocket-subscribers.ts");
const changes = 200;

interface Progress {
  readonly least: number;
  readonly most: number;
  readonly inOrder: boolean;
}

test(
  `of ${count} sensors a tenth does not read: the others hear everything, and the deaf ones are disconnected`,
  { timeout: 600_000 },
  async () => {
    await using served = await notifyingApi({ pingIntervalMs: 5_000, clientsPerCallerMax: Infinity });
    const { database } = served.fresh;
    await query(
      database,
      `insert into rule (ref, action_ref, trigger_ref, trigger_params) values ('demo.rule', 'a', 'demo.tick', '{"n": 0}')`,
    );
    const deaf = Math.round(count / 10);
    const url = `${served.api.address.replace("http", "ws")}/ws`;
    const sensors = fork(program, [url, "demo.tick", String(count), String(deaf)]);
    let progress: Progress = { least: 0, most: 0, inOrder: false };
    const isReady = Promise.withResolvers<void>();
    sensors.on("message", (message: "ready" | Progress) => {
      if (message === "ready") isReady.resolve();
      else progress = message;
    });
    try {
      await isReady.promise;
      expect(served.notifications.count).toBe(count);
      const before = { rss: process.memoryUsage.rss(), pages: served.pages.length };
      let rssMax = before.rss;

      for (let n = 1; n <= changes; n += 1) {
        await query(
          database,
          "update rule set trigger_params = jsonb_build_object('n', $1::int, 'text', $2::text)",
          [n, "x".repeat(1_000)],
        );
        rssMax = Math.max(rssMax, process.memoryUsage.rss());
      }

      // The state, and an enabled and an updated message for each change.
      const all = { least: 1 + 2 * changes, most: 1 + 2 * changes, inOrder: true };
      await expect.poll(() => progress, { timeout: 400_000, interval: 100 }).toEqual(all);
      rssMax = Math.max(rssMax, process.memoryUsage.rss());
      expect(served.pages.length - before.pages).toBeLessThanOrEqual(changes + 1);
      // Copies for those who do not read would be 400 kB for each of them.
      expect(rssMax - before.rss).toBeLessThan(64 * 1024 * 1024 + count * 20_000);
      await expect.poll(() => served.disconnections.length, { timeout: 60_000, interval: 100 }).toBe(deaf);
      expect(served.notifications.count).toBe(count - deaf);
    } finally {
      sensors.disconnect();
      await once(sensors, "exit");
    }
  },
);

test("one who does not read is disconnected when too much waits for it, and the others hear everything", async () => {
  await using served = await notifyingApi({ limits: { waitingBytesMax: 256 * 1024 } });
  const { database } = served.fresh;
  await query(
    database,
    "insert into rule (ref, action_ref, trigger_ref) values ('demo.rule', 'a', 'demo.tick')",
  );
  await using deaf = await subscriberAt(served.api.address, "admin");
  await using reader = await subscriberAt(served.api.address, "admin");
  for (const sensor of [deaf, reader]) sensor.subscribe("demo.tick");
  await expect.poll(() => [deaf.told().length, reader.told().length], { timeout: 10_000 }).toEqual([1, 1]);
  deaf.socket.pause();
  reader.forget();

  let changed = 0;
  while (served.disconnections.length === 0 && changed < 4_000) {
    await query(
      database,
      "update rule set label = $1, trigger_params = jsonb_build_object('text', $2::text)",
      [String(changed), "x".repeat(20_000)],
    );
    changed += 1;
  }

  expect(served.disconnections).toEqual(["slow"]);
  // The first change has new parameters, and so an enabled message too.
  await expect.poll(() => reader.frames.length, { timeout: 20_000 }).toBe(changed + 1);
  deaf.socket.resume();
  expect([1006, 4408]).toContain(await deaf.closed);
});
