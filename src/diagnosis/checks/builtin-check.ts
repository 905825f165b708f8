/**
 * Finds rules on timers, webhooks and files that do nothing: plain SQL can write params that the API and packs refuse. And slots
 * of timers that were skipped, and webhooks whose keys are missing.
 */
import type { Queryable } from "../../database/database.ts";
import { rowsOf } from "../../database/statement.ts";
import {
  readBuiltinRules,
  readSkippedTimers,
  type BuiltinRule,
  type SkippedTimer,
} from "../../database/statements/rule-diagnosis.ts";
import { readWebhookKeys } from "../../database/statements/webhook-endpoints.ts";
import { isJsonObject, objectOf } from "../../model/json/json.ts";
import { describePlaced } from "../../model/placed-problem.ts";
import { paramsProblems } from "../../model/rules/trigger-params.ts";
import { isSkipReason, skipReasonText } from "../../model/timers/skip-reason.ts";
import { keyRefsOf } from "../../model/webhooks/endpoint-settings.ts";
import { endpointTable, type Endpoint } from "../../model/webhooks/endpoint-table.ts";
import { keyProblem } from "../../model/webhooks/webhook-key.ts";
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
    ...(await webhookFindings(rows, webhooks)),
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

async function webhookFindings(rows: Queryable, rules: readonly BuiltinRule[]): Promise<readonly Finding[]> {
  const { byPath, problems } = endpointTable(
    rules.map(({ id, ref, packRef, params }) => ({ id, ref, packRef, params: objectOf(params) })),
    [],
  );
  const reasons = new Map<string, string[]>();
  for (const { ref, problem } of problems) reasons.set(ref, [...(reasons.get(ref) ?? []), problem]);
  const endpoints = byPath
    .values()
    .flatMap((byMethod) => byMethod.values())
    .toArray();
  return [
    ...Array.from(reasons, ([ref, own]) => ruleFinding(ref, "its webhook is not answered", own.join("; "))),
    ...(await uselessKeys(rows, endpoints)).filter(([ref]) => !reasons.has(ref)).map(keyFinding),
  ];
}

/** Webhooks that answer 503, because none of the keys that a request is checked with exists, or they are no secrets of it. */
async function uselessKeys(
  rows: Queryable,
  endpoints: readonly Endpoint[],
): Promise<readonly (readonly [ruleRef: string, problem: string])[]> {
  const named = [...new Set(endpoints.flatMap(({ settings }) => keyRefsOf(settings)))];
  if (named.length === 0) return [];
  const keys = new Map((await rowsOf(rows, readWebhookKeys, named)).map((key) => [key.ref, key]));
  const problemOfRule = new Map<string, string>();
  for (const endpoint of endpoints) {
    const { secretRefs, bearerRefs, basicRefs, verifyTokenRefs } = endpoint.settings;
    for (const refs of [secretRefs, bearerRefs, basicRefs, verifyTokenRefs]) {
      const byProblem = Map.groupBy(refs, (ref) => keyProblem(endpoint, keys.get(ref)));
      if (refs.length === 0 || byProblem.has(undefined)) continue;
      const problem = Array.from(byProblem, ([why, each]) => `the key ${each.join(", ")} ${why ?? ""}`).join(
        "; ",
      );
      for (const { ref } of endpoint.rules ?? []) problemOfRule.set(ref, problemOfRule.get(ref) ?? problem);
    }
  }
  return [...problemOfRule];
}

function keyFinding([ref, problem]: readonly [ruleRef: string, problem: string]): Finding {
  return wrong(`rule ${ref}`, `its webhook answers 503: ${problem}`, {
    remedy:
      "as an administrator, create the key (docs/keys.md), after deleting one that a sensor created; or correct the rule's trigger_params",
    facts: { rule: ref, problem },
  });
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
