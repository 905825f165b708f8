import { randomUUID } from "node:crypto";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openEmbedded } from "../../src/database/embedded/embedded.ts";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { RuleMatcher } from "../../src/rules/rule-matcher.ts";
import { openRuleSource } from "../../src/rules/rule-source.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";

test("rules are read, judged and matched in the embedded database as in PostgreSQL", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-rules-"));
  await using database = await openEmbedded({ dataDirectory: directory.path, logger: silentLogger });
  await migrate(database, loadMigrations(), silentLogger);
  await insertTrigger(database, "t.one");
  const good = await insertRule(database, { ref: "r.good", triggerRef: "t.one" });
  const bad = await insertRule(database, { ref: "r.bad", triggerRef: "t.one", conditions: [7] });
  const [event] = await query<{ id: string }>(
    database,
    "insert into event (trigger_ref, payload) values ('t.one', '{}') returning id",
  );
  const rules = await openRuleSource({
    database,
    intervalMs: 100,
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  });
  const stop = new AbortController();
  const running = rules.run(stop.signal);
  const matcher = new RuleMatcher({
    database,
    rules,
    installationId: "0b5ab3f2-6f7c-4c42-9a53-64b0e0f20c11",
    outlet: { instance: randomUUID(), leave: () => {} },
  });

  expect(await matcher.matchEvent(event?.id ?? "")).toHaveLength(1);
  expect(await query(database, "select rule from enforcement")).toEqual([{ rule: good }]);
  await expect
    .poll(() => query(database, "select rule, problem from rule_problem"), { timeout: 20_000 })
    .toEqual([{ rule: bad, problem: "conditions[0]: 7 is not a condition" }]);

  stop.abort();
  await running;
}, 120_000); // Making the database takes seconds, more on a busy machine.
