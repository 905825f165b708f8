/** Without a broker, messages reach only consumers in the same process, and mostly there are none. */
import { expect, test } from "vitest";
import { openInProcess } from "../../src/messaging/in-process/in-process.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { insertRule } from "../support/platform-rows.ts";
import { preparePublishing } from "../support/publishing.ts";
import { openRig } from "./pipeline-rig.ts";

test("messages that nobody can receive are forgotten, and those after a consumer's subscription arrive", async () => {
  await using rig = await openRig();
  const { database, instance, installationId } = rig;
  await insertRule(database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using transport = await openInProcess({ logger: silentLogger });
  await using publishing = preparePublishing({ database, transport, instance, installationId });
  await publishing.start();
  const { publisher } = publishing;
  let made = 0;
  const outlet = {
    isHeard: () => publisher.isHeard(),
    drop: publisher.drop.bind(publisher),
    leave: publisher.leave.bind(publisher),
    send: (...sent: Parameters<typeof publisher.send>) => {
      made += sent[0].length;
      publisher.send(...sent);
    },
  };
  await using running = await rig.start({ outlet });

  const events = await Promise.all([1, 2, 3].map(() => running.pipeline.accept(rig.tick())));
  expect(events.map(({ kind }) => kind)).toEqual(["stored", "stored", "stored"]);
  await expect.poll(() => rig.countOf("outbox")).toBe(0);
  expect(made).toBe(0);
  expect(await publishing.metrics.text()).toContain("messages_confirmed_total 6");

  const received: string[] = [];
  await using _ = await transport.subscribe(
    { exchange: "attune.events", bindings: ["enforcement.#"], prefetch: 10 },
    async ({ routingKey }) => {
      received.push(routingKey);
      return "done";
    },
  );
  await running.pipeline.accept(rig.tick());

  await expect.poll(() => received).toEqual(["enforcement.created"]);
  await expect.poll(() => rig.countOf("outbox")).toBe(0);
});
