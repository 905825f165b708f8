/**
 * Finds rules on timers, webhooks and files that do nothing: plain SQL can write params that the API and packs refuse. And slots
 * of timers that were skipped.
 */
import { rowsOf } from "../../database/statement.ts";
import {
  readBuiltinRules,
  readSkippedTimers,
  type BuiltinRule,
  type SkippedTimer,
} from "../../database/statements/rule-diagnosis.ts";
import { isJsonObject, objectOf } from "../../model/json/json.ts";
import { describePlaced } from "../../model/placed-problem.ts";
import { paramsProblems } from "../../model/rules/trigger-params.ts";
import { isSkipReason, skipReasonText } from "../../model/timers/skip-reason.ts";
import { endpointTable } from "../../model/webhooks/endpoint-table.ts";
import { notice, wrong, type Finding } from "../finding.ts";
import type { Look } from "../look.ts";

const skippedMax = 20;

export async function checkBuiltins({ rows }: Look): Promise<readonly Finding[]> {
  const rules = await rowsOf(rows, readBuiltinRules, undefined);
  const skipped = await rowsOf(rows, readSkippedTimers, skippedMax + 1);
  const webhooks = rules.filter(({ triggerRef }) => triggerRef === "core.webhook");
  const others = rules.filter(({ triggerRef }) => triggerRef !== "core.webhook");
  return [
    ...(await Promise.all(others.map(ruleFindings))).flat(),
    ...webhookFindings(webhooks),
    ...skipped.slice(0, skippedMax).map(skippedFinding),
    ...(skipped.length > skippedMax
      ? [notice("timers", `skipped slots of further rules; attune-sensor-agent timers list shows all`)]
      : []),
  ];
}

async function ruleFindings({
  ref,
  triggerRef,
  params,
  calendars,
  timerProblem,
}: BuiltinRule): Promise<readonly Finding[]> {
  const isFile = triggerRef === "core.file_changed";
  const problem = isJsonObject(params)
    ? describePlaced(await paramsProblems(triggerRef, params, objectOf(calendars))) || timerProblem
    : "trigger_params is not an object";
  if (problem === null) return [];
  return [ruleFinding(ref, isFile ? "watches nothing" : "its timer does not fire", problem)];
}

function webhookFindings(rules: readonly BuiltinRule[]): readonly Finding[] {
  const { problems } = endpointTable(
    rules.map(({ id, ref, params }) => ({ id, ref, params: objectOf(params) })),
    [],
  );
  const reasons = new Map<string, string[]>();
  for (const { ref, problem } of problems) reasons.set(ref, [...(reasons.get(ref) ?? []), problem]);
  return Array.from(reasons, ([ref, own]) => ruleFinding(ref, "its webhook is not answered", own.join("; ")));
}

function ruleFinding(ref: string, what: string, problem: string): Finding {
  return wrong(`rule ${ref}`, `${what}: ${problem}`, {
    remedy: "correct its trigger_params, or disable it",
    facts: { rule: ref, problem },
  });
}

function skippedFinding({ ruleRef, reason, slots, isCounted, lastAt }: SkippedTimer): Finding {
  const count = slots === 1 ? "one slot" : `${isCounted ? "" : "about "}${slots} slots`;
  const why = isSkipReason(reason) ? skipReasonText[reason] : reason;
  return notice(
    `rule ${ruleRef}`,
    `its timer skipped ${count} within a day, the last at ${lastAt.toISOString()}: ${why}`,
    {
      remedy: `attune-sensor-agent timers show ${ruleRef} lists them; catch_up decides whether missed slots are made up for`,
      facts: { rule: ruleRef, reason, slots },
    },
  );
}
