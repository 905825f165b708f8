/** docs/api.md and the schemas of the routes list the same parameters and keys. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { listPageParameters } from "../../src/api/paging.ts";
import { ActionAnswer, ActionListParameters } from "../../src/api/routes/actions.ts";
import { PackAnswer, PackListParameters } from "../../src/api/routes/packs.ts";
import { RuleAnswer, RuleListParameters } from "../../src/api/routes/rules.ts";
import { RuntimeAnswer, RuntimeListParameters } from "../../src/api/routes/runtimes.ts";
import { ProcessAnswer, SensorAnswer, SensorListParameters } from "../../src/api/routes/sensors.ts";
import { SlotAnswer, TimerDetails, TimerListParameters } from "../../src/api/routes/timers.ts";
import { TriggerAnswer, TriggerListParameters } from "../../src/api/routes/triggers.ts";
import { WorkerAnswer, WorkerListParameters } from "../../src/api/routes/workers.ts";
import { errorCatalogue } from "../../src/errors/catalogue.ts";
import { definitionOrders } from "../../src/database/statements/definition-lists.ts";
import { sensorStates } from "../../src/model/sensors/sensor-state.ts";
import { workerOrders } from "../../src/database/statements/worker-list.ts";

const page = readFileSync(join(repositoryRoot, "docs/api.md"), "utf8");

/** The names in the first column of a section's table, by the heading of that column. */
function listed(section: string, column: string, after = "\n"): readonly string[] {
  const from = page.indexOf(after, page.indexOf(`\n## ${section}\n`) + 1);
  const [text = ""] = page.slice(from).split("\n## ");
  const table = new RegExp(String.raw`^\| ${column} +\|.*\n((?:\|.*\n)+)`, "m").exec(text)?.[1] ?? "";
  return table
    .split("\n")
    .slice(1)
    .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name = ""]) => name));
}

const shared = new Set(["sort", ...Object.keys(listPageParameters)]);
const filtersOf = (schema: { readonly properties: object }): readonly string[] =>
  Object.keys(schema.properties).filter((name) => !shared.has(name));

test.each([
  { what: "parameters of lists", listed: listed("Lists", "parameter"), existing: [...shared] },
  {
    what: "filters of workers",
    listed: listed("Workers", "parameter"),
    existing: filtersOf(WorkerListParameters),
  },
  {
    what: "filters of sensors",
    listed: listed("Sensors", "parameter"),
    existing: filtersOf(SensorListParameters),
  },
  {
    what: "keys of a worker",
    listed: listed("Workers", "key"),
    existing: Object.keys(WorkerAnswer.properties),
  },
  {
    what: "keys of a sensor",
    listed: listed("Sensors", "key"),
    existing: Object.keys(SensorAnswer.properties),
  },
  {
    what: "keys of a process",
    listed: listed("Sensors", "key", "under `process`"),
    existing: Object.keys(ProcessAnswer.properties),
  },
  { what: "states of a sensor", listed: listed("Sensors", "state"), existing: sensorStates },
])("docs/api.md lists exactly the $what", ({ listed: names, existing }) => {
  expect(names.toSorted()).toEqual([...existing].toSorted());
});

test.each([
  { section: "Workers", orders: workerOrders },
  { section: "Sensors", orders: definitionOrders },
])("docs/api.md lists exactly the keys to sort $section by", ({ section, orders }) => {
  const [, line = ""] = new RegExp(String.raw`\n## ${section}\n[^]*?\nSort keys: (.*)\.\n`).exec(page) ?? [];

  const keys = orders.filter((order) => !order.startsWith("-"));
  expect(line).toBe(keys.map((key) => `\`${key}\``).join(", "));
});

const timers = readFileSync(join(repositoryRoot, "docs/timers.md"), "utf8");

/** The names in the first column of the table whose first column has that heading. */
function inTable(heading: string): readonly string[] {
  const table = new RegExp(String.raw`^\| ${heading} +\|.*\n((?:\|.*\n)+)`, "m").exec(
    timers.slice(timers.indexOf("\n## Seeing what timers do\n")),
  );
  return (table?.[1] ?? "")
    .split("\n")
    .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name = ""]) => name));
}

test("docs/timers.md lists exactly the keys of a timer and of its slots, and the filters of lists", () => {
  expect(inTable("key").toSorted()).toEqual(Object.keys(TimerDetails.properties).toSorted());
  expect(inTable("key of a slot").toSorted()).toEqual(Object.keys(SlotAnswer.properties).toSorted());
  for (const filter of filtersOf(TimerListParameters)) expect(timers).toContain(`\`${filter}\``);
});

const definitions = readFileSync(join(repositoryRoot, "docs/definitions.md"), "utf8");

/** The names in the second column of the row that begins so. */
function namesIn(first: string): readonly string[] {
  const row = definitions.split("\n").find((line) => line.startsWith(`| ${first} `)) ?? "";
  return [...(row.split("|")[2] ?? "").matchAll(/`(\w+)`/g)].map(([, name = ""]) => name);
}

test.each([
  { kind: "pack", answer: PackAnswer, parameters: PackListParameters },
  { kind: "runtime", answer: RuntimeAnswer, parameters: RuntimeListParameters },
  { kind: "trigger", answer: TriggerAnswer, parameters: TriggerListParameters },
  { kind: "action", answer: ActionAnswer, parameters: ActionListParameters },
  { kind: "rule", answer: RuleAnswer, parameters: RuleListParameters },
])("docs/definitions.md lists exactly the keys and filters of a $kind", ({ kind, answer, parameters }) => {
  expect(namesIn(kind)).toEqual(Object.keys(answer.properties));
  expect(namesIn(`\`/${kind}s\``)).toEqual(filtersOf(parameters));
});

test("the codes that docs/api.md mentions exist", () => {
  const mentioned = [...page.matchAll(/`([A-Z]+_[A-Z_]+)`/g)].map(([, code]) => code);

  expect(mentioned.length).toBeGreaterThan(1);
  expect(mentioned.filter((code) => !Object.hasOwn(errorCatalogue, code ?? ""))).toEqual([]);
});
