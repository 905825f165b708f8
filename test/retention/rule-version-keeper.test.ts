import { expect, test } from "vitest";
import type { Database, Query } from "../../src/database/database.ts";
import { RuleVersionKeeper } from "../../src/retention/rule-version-keeper.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const never = new AbortController().signal;

function start(counts: Readonly<Record<string, number[]>>) {
  const clock = fakeClock();
  const { logger, lines } = recordingLogger();
  const asked: string[] = [];
  const query = async ({ name = "" }: Query): Promise<{ rows: object[] }> => {
    asked.push(name);
    return { rows: [{ count: counts[name]?.shift() ?? 0 }] };
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is asked for rows, and nothing else
  const database = { query } as unknown as Database;
  const keeper = new RuleVersionKeeper({ database, ruleVersionSeconds: 60, logger, clock });
  return { keeper, clock, asked, lines };
}

test("statements follow each other until one finds fewer than it may delete, and one line says how many", async () => {
  const { keeper, asked, lines } = start({
    forget_rule_versions: [1_000, 1_000, 7],
    bound_rule_versions: [1_000, 0],
  });

  await keeper.keep(never);

  expect(asked).toEqual([
    "forget_rule_versions",
    "forget_rule_versions",
    "forget_rule_versions",
    "bound_rule_versions",
    "bound_rule_versions",
  ]);
  expect(lines.map(({ message }) => message)).toEqual(["deleted 3007 old versions of rules"]);
});

test("it is done once an hour, and again at once only after a failure or a stop", async () => {
  const { keeper, clock, asked } = start({});
  await expect(keeper.keep(AbortSignal.abort())).rejects.toThrow();
  await keeper.keep(never);
  await clock.advance(3_599_000);
  await keeper.keep(never);
  expect(asked).toHaveLength(2);

  await clock.advance(1_000);
  await keeper.keep(never);

  expect(asked).toHaveLength(4);
});
