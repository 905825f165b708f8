/**
 * Goal: whatever becomes of connections, commits, processes and rules, what is announced is what is stored, once.
 * Method: the pipeline itself runs against a database in memory (model-database.ts). For a few events, every schedule
 * with up to so many faults is tried, breadth first: each run tells which choices it met, and each other option of
 * each of them is a further schedule.
 */
import { expect, test } from "vitest";
import { describe, runModel, type Scenario } from "./model-run.ts";

const two: Scenario = {
  name: "two events of one sensor",
  sensors: [1],
  eventCount: 2,
  hasDedupKeys: false,
  endsWithMove: false,
  poisoned: undefined,
  batchRowsMax: 10,
};

const scenarios: readonly { readonly scenario: Scenario; readonly faultsMax: number }[] = [
  { scenario: { ...two, name: "one event", eventCount: 1 }, faultsMax: 3 },
  { scenario: two, faultsMax: 3 },
  { scenario: { ...two, name: "two events with dedup_keys", hasDedupKeys: true }, faultsMax: 3 },
  { scenario: { ...two, name: "an event, then a checkpoint", endsWithMove: true }, faultsMax: 3 },
  {
    scenario: { ...two, name: "an event each of two sensors", sensors: [1, 2], eventCount: 1 },
    faultsMax: 3,
  },
  { scenario: { ...two, name: "two events, one a batch", batchRowsMax: 1 }, faultsMax: 3 },
  {
    scenario: { ...two, name: "two events, the first refused", poisoned: { n: 1, answer: "an error" } },
    faultsMax: 2,
  },
  {
    scenario: { ...two, name: "two events, the second unanswered", poisoned: { n: 2, answer: "no row" } },
    faultsMax: 2,
  },
  { scenario: { ...two, name: "two events, the first perhaps withdrawn", withdrawable: 1 }, faultsMax: 2 },
  {
    scenario: {
      ...two,
      name: "two events, one a batch, the first perhaps withdrawn",
      withdrawable: 1,
      batchRowsMax: 1,
    },
    faultsMax: 2,
  },
];

test.each(scenarios)(
  "$scenario.name, with up to $faultsMax faults",
  async ({ scenario, faultsMax }) => {
    const schedules: (readonly number[])[] = [[]];
    const found: string[] = [];
    let runs = 0;
    for (const schedule of schedules) {
      const run = await runModel(scenario, schedule, faultsMax);
      runs += 1;
      for (const violation of run.violations) found.push(`${violation}: ${describe(run)}`);
      if (found.length > 20) break;
      const chosen = run.choices.map((choice) => choice.chosen);
      for (let point = schedule.length; point < run.choices.length; point += 1) {
        const options = run.choices[point]?.options ?? [];
        for (let option = 1; option < options.length; option += 1)
          schedules.push([...chosen.slice(0, point), option]);
      }
    }

    expect(found).toEqual([]);
    expect(runs).toBeGreaterThan(50);
  },
  120_000,
);
