/** Every case of unfired-cases.ts is answered by the first line of one command. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { isJsonObject } from "../../src/model/json/json.ts";
import { openRuleSource } from "../../src/rules/rule-source.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { openRig, type PipelineRig, type RunningPipeline } from "../events/pipeline-rig.ts";
import { apiOn, type DefinitionsApi } from "../support/definitions-api.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";
import { runCommand } from "../support/run-command.ts";
import { unfiredCases, type UnfiredCase } from "./unfired-cases.ts";

let rig: PipelineRig;
let running: RunningPipeline;
let api: DefinitionsApi;

beforeAll(async () => {
  rig = await openRig();
  const rules = await openRuleSource({
    database: rig.database,
    intervalMs: 60_000,
    logger: silentLogger,
    clock: systemClock,
    random: () => 0,
  });
  running = await rig.start({ rules });
  api = await apiOn(rig.database);
  await prepare();
});

afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await running[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

interface NumberedCase extends UnfiredCase {
  readonly number: number;
}

const cases: readonly NumberedCase[] = unfiredCases.map((unfired, index) => ({
  ...unfired,
  number: index + 1,
}));
/** The events, by the numbers of their cases. */
const eventIds = new Map<number, string>();

function own({ number }: NumberedCase, text: string): string {
  return text.replaceAll(/\bN\b/g, String(number));
}

/** All cases at once, because their events can then share a batch. */
async function prepare(): Promise<void> {
  for (const unfired of cases) {
    const { rule = {}, before = [] } = unfired;
    const triggerRef = own(unfired, "why.N");
    await insertTrigger(rig.database, triggerRef);
    if (rule !== null) await insertRule(rig.database, { ref: own(unfired, "rule.N"), triggerRef, ...rule });
    for (const text of before) await query(rig.database, own(unfired, text));
  }
  await Promise.all(cases.map(accept));
  for (const unfired of cases) {
    for (const text of unfired.after ?? []) await query(rig.database, own(unfired, text));
  }
}

async function accept(unfired: NumberedCase): Promise<void> {
  const { number, payload = {}, aim = null, dedupKey = null } = unfired;
  if (payload === null) return;
  const outcome = await running.pipeline.accept({
    triggerRef: own(unfired, "why.N"),
    payload,
    source: null,
    triggerInstanceId: aim,
    dedupKey,
    occurredAt: null,
    checkpoint: undefined,
  });
  expect(outcome).toMatchObject({ kind: "stored" });
  if (outcome.kind === "stored") eventIds.set(number, outcome.eventId);
}

/** What the command asks the API. */
function pathOf([group = "", subject = "", ...options]: readonly string[]): string {
  const parameters = new URLSearchParams();
  const names: Readonly<Record<string, string>> = { "--rule": "rule", "--trigger": "trigger_ref" };
  const given = subject.startsWith("--") ? [subject, ...options] : options;
  for (let at = 0; at < given.length; at += 2)
    parameters.set(names[given[at] ?? ""] ?? "dedup_key", given[at + 1] ?? "");
  const path = subject.startsWith("--") ? `/${group}/explain` : `/${group}/${subject}/explain`;
  return parameters.size === 0 ? path : `${path}?${parameters.toString()}`;
}

/** Without what differs in each run. */
function plain(line: string): string {
  return line
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replaceAll(/(?<=\b(?:event|enforcement) |last event, )\d+/g, "#");
}

async function commandOutput([group = "", ...rest]: readonly string[]): Promise<string> {
  const args = [group, "explain", ...rest, "--api", api.address];
  const { stdout } = await runCommand(args, { ATTUNE_API_TOKEN: "viewer" });
  return stdout;
}

test("there are at least thirty cases", () => {
  expect(unfiredCases.length).toBeGreaterThanOrEqual(30);
});

test.each(cases)("$number: $mistake", async (unfired) => {
  const id = eventIds.get(unfired.number) ?? "";
  const ask = unfired.ask.map((text) => own(unfired, text).replaceAll("EVENT", id));
  const { status, data } = await api.call("GET", pathOf(ask), { token: "viewer" });

  expect(status).toBe(200);
  const line = plain(JSON.stringify(data["answer"]));
  const expected = JSON.stringify(own(unfired, unfired.answer).replaceAll("EVENT", id));
  if (unfired.answer.endsWith("…")) expect(line).toContain(expected.slice(0, -2));
  else expect(line).toBe(expected);

  const [first = ""] = (await commandOutput(ask)).split("\n");
  expect(plain(JSON.stringify(first))).toBe(line);
});

test("the details of a rule are beside the answer", async () => {
  await insertTrigger(rig.database, "detail.t");
  await insertRule(rig.database, {
    ref: "detail.rule",
    triggerRef: "detail.t",
    conditions: [{ field: "count", operator: "greater_than", value: 4 }],
  });
  const outcome = await running.pipeline.accept({
    triggerRef: "detail.t",
    payload: { count: "5" },
    source: null,
    triggerInstanceId: null,
    dedupKey: null,
    occurredAt: null,
    checkpoint: undefined,
  });
  const id = outcome.kind === "stored" ? outcome.eventId : "";
  const { data } = await api.demand(200, "GET", `/events/${id}/explain`);

  const rules = data["rules"];
  expect(Array.isArray(rules) && isJsonObject(rules[0]) ? rules[0] : undefined).toMatchObject({
    rule_ref: "detail.rule",
    verdict: "unmatched",
    would_match_if: "`count` were a number above 4",
    failures: [{ place: "conditions[0]", path: ["count"], operator: "greater_than", expected: 4, seen: "5" }],
    enforcement: null,
  });
});
