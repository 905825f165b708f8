/** A payload is written once, however many rules match its event. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { decodeMessage } from "../../src/messaging/messages/envelope.ts";
import { insertRule, query } from "../support/platform-rows.ts";
import { openRig, type PipelineRig } from "./pipeline-rig.ts";
import { sweptMessages } from "./swept-messages.ts";

let rig: PipelineRig;

beforeEach(async () => {
  rig = await openRig();
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});

/** Incompressible. */
function noise(length: number): string {
  let state = 1;
  const next = (): string => {
    state = (state * 48_271) % 2_147_483_647;
    return String.fromCharCode(33 + (state % 90));
  };
  return Array.from({ length }, next).join("");
}

async function bytesOf(table: string): Promise<number> {
  const text = `select pg_total_relation_size('${table}')::int as bytes`;
  const [row] = await query<{ bytes: number }>(rig.database, text);
  return row?.bytes ?? 0;
}

test("an event of 1 MB that 200 rules match is stored once, and every enforcement has its payload in the view", async () => {
  for (let n = 0; n < 200; n += 1) {
    await insertRule(rig.database, { ref: `demo.many${n}`, triggerRef: "demo.tick" });
  }
  await using running = await rig.start();

  const outcome = await running.pipeline.accept(rig.tick({ payload: { text: noise(1_000_000) } }));

  expect(outcome.kind).toBe("stored");
  expect(await rig.countOf("enforcement")).toBe(200);
  expect(await bytesOf("enforcement")).toBeLessThan(500_000);
  expect(
    await query(
      rig.database,
      `select count(*)::int as same
         from enforcement_with_payload as enforcement
         join event on event.id = enforcement.event and event.payload = enforcement.payload`,
    ),
  ).toEqual([{ same: 200 }]);
}, 30_000);

// The messages of such an event are 200 MB together: the sweeper makes a few at a time.
test("messages that are very large together are left to the sweeper", async () => {
  for (let n = 0; n < 10; n += 1)
    await insertRule(rig.database, { ref: `demo.r${n}`, triggerRef: "demo.tick" });
  await using running = await rig.start();

  await running.pipeline.accept(rig.tick({ payload: { text: "x".repeat(4_000_000) } }));

  expect(running.sent).toEqual([]);
  const owed = await query<{ id: string }>(
    rig.database,
    "select message_id as id from outbox where body is null",
  );
  expect(owed).not.toEqual([]);
  expect(running.left).toEqual(new Set(owed.map(({ id }) => id)));
});

test("an enforcement keeps a copy of a small payload, for readers of its row alone", async () => {
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using running = await rig.start();

  await running.pipeline.accept(rig.tick({ payload: { text: "x".repeat(1_900) } }));
  await running.pipeline.accept(rig.tick({ payload: { text: "x".repeat(2_100) } }));

  expect(
    await query(rig.database, "select length(payload ->> 'text') as length from enforcement order by id"),
  ).toEqual([{ length: 1_900 }, { length: null }]);
  expect(
    await query(
      rig.database,
      "select length(payload ->> 'text') as length from enforcement_with_payload order by id",
    ),
  ).toEqual([{ length: 1_900 }, { length: 2_100 }]);
});

test("a swept enforcement's message has its event's large payload", async () => {
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using running = await rig.start();
  const payload = { text: noise(100_000) };
  await running.pipeline.accept(rig.tick({ payload }));
  await query(rig.database, "delete from outbox where enforcement is null");

  const [message] = await sweptMessages(rig);

  const decoded = decodeMessage(message?.body ?? "");
  expect(decoded.ok ? decoded.envelope.payload : decoded).toMatchObject({ payload });
});
