/** `rules test`: whether a rule matches an event, and if not, why. The rule and the event are stored ones or in files. */
import { objectOf, type JsonObject, type JsonValue } from "../../model/json/json.ts";
import {
  explainRule,
  failureText,
  verdictSentence,
  type ExplainableRule,
  type RuleVerdict,
} from "../../model/rules/explain-rule.ts";
import type { EventFacts } from "../../model/rules/rule-match.ts";
import { entryText, linesText } from "../client/output.ts";
import { answeredEvent, eventIn, givenObject, type EventInput } from "../given-event.ts";
import type { ExitCode } from "../invocation.ts";
import { isRuleFile, ruleInFile } from "../rule-file.ts";
import { clientOf, type ClientInvocation } from "./resources.ts";

export interface RuleTestRequest {
  /** A ref, or the YAML file of a rule in a pack's folder. */
  readonly rule: string;
  /** The id of a stored event, JSON, a file with JSON, or `-`. */
  readonly event: string;
  /** Where `-` reads. */
  readonly input: EventInput;
}

/** @returns 0 if the rule matches, 1 if it does not */
export async function testRule(
  invocation: ClientInvocation,
  { rule: ruleText, event: eventText, input }: RuleTestRequest,
): Promise<ExitCode> {
  // What is wrong in a file is said before an agent is looked for.
  const inFile = isRuleFile(ruleText) ? await ruleInFile(ruleText) : undefined;
  const written = /^\d+$/.test(eventText) ? undefined : await givenObject(eventText, input);
  const rule = inFile ?? (await storedRule(invocation, ruleText));
  const event =
    written === undefined
      ? await storedEvent(invocation, eventText)
      : writtenEvent(invocation, written, rule.triggerRef);
  const verdict = explainRule(rule, event);
  invocation.print(
    invocation.output === "table"
      ? verdictText(rule.ref, verdict)
      : entryText(asJson(rule.ref, verdict), invocation.output),
  );
  return verdict.kind === "matched" ? 0 : 1;
}

function verdictText(ref: string, verdict: RuleVerdict): string {
  const lines = [verdictSentence(ref, verdict)];
  if (verdict.kind === "matched")
    lines.push(...`parameters: ${JSON.stringify(verdict.config, undefined, 2)}`.split("\n"));
  if (verdict.kind === "unmatched") {
    lines.push(...verdict.failures.slice(1).map((failure) => `also ${failureText(failure)}`));
    if (verdict.counterfactual !== undefined) lines.push(`it would match if ${verdict.counterfactual}`);
  }
  return linesText(lines);
}

function asJson(ref: string, verdict: RuleVerdict): JsonObject {
  const answer = verdictSentence(ref, verdict);
  const head = { rule: ref, matches: verdict.kind === "matched", verdict: verdict.kind, answer };
  if (verdict.kind === "matched") return { ...head, parameters: verdict.config };
  if (verdict.kind !== "unmatched") return head;
  return {
    ...head,
    would_match_if: verdict.counterfactual ?? null,
    failures: verdict.failures.map(({ place, path, operator, expected, seen, sentence, hint }) => ({
      place,
      path: [...path],
      operator,
      ...(expected === undefined ? {} : { expected }),
      ...(seen === undefined ? {} : { seen }),
      reason: sentence,
      hint: hint ?? null,
    })),
  };
}

async function storedRule(invocation: ClientInvocation, ref: string): Promise<ExplainableRule> {
  const path = `/api/v1/rules/${encodeURIComponent(ref)}`;
  const { data } = await clientOf(invocation).ask({ path, attempt: `read the rule ${ref}` });
  const row = objectOf(data);
  return {
    id: idOf(row["id"]),
    ref,
    triggerRef: textOf(row["trigger_ref"]) ?? "",
    actionId: null,
    actionRef: textOf(row["action_ref"]) ?? "",
    conditions: row["conditions"] ?? null,
    triggerParams: row["trigger_params"] ?? {},
    actionParams: row["action_params"] ?? {},
    isEnabled: row["enabled"] === true,
  };
}

async function storedEvent(invocation: ClientInvocation, id: string): Promise<EventFacts> {
  const { data } = await clientOf(invocation).ask({
    path: `/api/v1/events/${id}`,
    attempt: `read the event ${id}`,
  });
  return answeredEvent({ ...objectOf(data), id });
}

function writtenEvent({ complain }: ClientInvocation, written: JsonObject, triggerRef: string): EventFacts {
  const { event, remarks } = eventIn(written, triggerRef);
  for (const remark of remarks) complain(`note on the event: ${remark}\n`);
  return event;
}

function textOf(value: JsonValue | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function idOf(value: JsonValue | undefined): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}
