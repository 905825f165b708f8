import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { rowOf } from "../../src/database/statement.ts";
import { storeBatch } from "../../src/database/statements/batches.ts";
import { getEvent } from "../../src/database/statements/events.ts";
import { reserveIds } from "../../src/database/statements/id-sequences.ts";
import { assignIds, missingIdCount } from "../../src/events/matched-piece.ts";
import { prepareBatch } from "../../src/events/prepared-batch.ts";
import { RuleMatcher } from "../../src/rules/rule-matcher.ts";
import { openRuleSource } from "../../src/rules/rule-source.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { eventEntry, matchedPiece } from "../support/event-entry.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

const installationId = "0b5ab3f2-6f7c-4c42-9a53-64b0e0f20c11";

test.each([
  ["rule_r.one", { n: 1 }, "r.one", ["r.one"]],
  ["rule_r.one", { n: 2 }, "r.one", []],
  ["rule_r.gone", { n: 1 }, "r.gone", []],
  ["timer-7", { n: 1 }, null, ["r.one", "r.two"]],
])(
  "an event of instance %s with %j is stored for %s, and matched again reaches %j",
  async (triggerInstanceId, payload, ruleRef, reached) => {
    await using fresh = await freshDatabase();
    const { database } = fresh;
    await insertTrigger(database, "t.one");
    const conditions = [{ field: "n", operator: "equals", value: 1 }];
    await insertRule(database, { ref: "r.one", triggerRef: "t.one", conditions });
    await insertRule(database, { ref: "r.two", triggerRef: "t.one" });
    const rules = await openRuleSource({
      database,
      intervalMs: 1_000,
      logger: silentLogger,
      clock: systemClock,
      random: Math.random,
    });
    const set = rules.current();
    const entry = eventEntry("1", { triggerRef: "t.one", payload, triggerInstanceId });

    const piece = matchedPiece([entry], set);
    const ids = await rowOf(database, reserveIds, {
      sequence: "enforcement_id_seq",
      count: missingIdCount(piece),
    });
    assignIds(piece, ids?.ids ?? []);
    const { toStore } = prepareBatch(piece, installationId);
    await rowOf(database, storeBatch(toStore), { ...toStore, publisherInstance: randomUUID() });

    const stored = await rowOf(database, getEvent, { id: "1" });
    expect(stored?.ruleRef).toBe(ruleRef);
    const outlet = { instance: randomUUID(), leave: () => {} };
    const again = await new RuleMatcher({ database, rules, installationId, outlet }).matchEvent("1");
    expect(again).toHaveLength(reached.length);
    const enforced = await query<{ rule_ref: string }>(
      database,
      "select rule_ref from enforcement order by rule",
    );
    expect(enforced.map((row) => row.rule_ref)).toEqual(reached);
  },
);
