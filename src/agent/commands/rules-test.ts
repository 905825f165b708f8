/** `rules test`: whether a rule matches an event, and if not, why. The rule and the event are stored ones or in files. */
import { access, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { hasCode, messageOf } from "../../errors/caught.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import { isJsonObject, objectOf, type JsonObject, type JsonValue } from "../../model/json/json.ts";
import { parseJson } from "../../model/json/json-text.ts";
import {
  explainRule,
  failureText,
  verdictSentence,
  type ExplainableRule,
  type RuleVerdict,
} from "../../model/rules/explain-rule.ts";
import { aimAt } from "../../model/rules/rule-aim.ts";
import type { EventFacts } from "../../model/rules/rule-match.ts";
import { rulesOf } from "../../packs/pack-tests.ts";
import { readPacks } from "../../packs/read-packs.ts";
import { entryText } from "../client/output.ts";
import type { ExitCode } from "../invocation.ts";
import { clientOf, type ClientInvocation } from "./resources.ts";

export interface RuleTestRequest {
  /** A ref, or the YAML file of a rule in a pack's folder. */
  readonly rule: string;
  /** The id of a stored event, JSON, or a file with JSON. */
  readonly event: string;
}

/** @returns 0 if the rule matches, 1 if it does not */
export async function testRule(
  invocation: ClientInvocation,
  { rule: ruleText, event: eventText }: RuleTestRequest,
): Promise<ExitCode> {
  const rule = /\.ya?ml$/.test(ruleText)
    ? await ruleInFile(ruleText)
    : await storedRule(invocation, ruleText);
  const event = /^\d+$/.test(eventText)
    ? await storedEvent(invocation, eventText)
    : await writtenEvent(eventText, rule.triggerRef);
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
  if (verdict.kind === "matched") lines.push(`parameters: ${JSON.stringify(verdict.config, undefined, 2)}`);
  if (verdict.kind === "unmatched") {
    lines.push(...verdict.failures.slice(1).map((failure) => `also ${failureText(failure)}`));
    if (verdict.counterfactual !== undefined) lines.push(`it would match if ${verdict.counterfactual}`);
  }
  return `${lines.join("\n")}\n`;
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

/** @throws OperatorError PACK_INVALID */
export async function ruleInFile(file: string): Promise<ExplainableRule> {
  const path = resolve(file);
  if (!(await isThere(path))) throw notARule(file, `there is no file ${file}`);
  const directory = dirname(dirname(path));
  const { packs } = await readPacks([directory]);
  const inFile = join(basename(dirname(path)), basename(path));
  const refs = packs.flatMap(({ definitions }) =>
    definitions.filter(({ kind, problemAt }) => kind === "rule" && problemAt([], "").file === inFile),
  );
  const rule = rulesOf(packs).find(({ ref }) => ref === refs[0]?.ref);
  if (rule !== undefined) return rule;
  throw notARule(file, "it is not a rule's file in the folder rules of a pack");
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    (error: unknown) => !hasCode(error, "ENOENT"),
  );
}

function notARule(file: string, reason: string): OperatorError {
  return new OperatorError({
    code: "PACK_INVALID",
    attempt: `read the rule in ${file}`,
    reason,
    remedy: "name a file like packs/demo/rules/hot.yaml, or the ref of a stored rule",
  });
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
  const row = objectOf(data);
  const ruleRef = textOf(row["rule_ref"]);
  return {
    id,
    triggerRef: textOf(row["trigger_ref"]) ?? "",
    payload: objectOf(row["payload"]),
    sourceRef: textOf(row["source_ref"]),
    occurredAt: textOf(row["occurred_at"]),
    triggerInstanceId: ruleRef === null ? null : aimAt(ruleRef),
  };
}

/** As sensors write events: an object all of whose keys are an event's is one, any other is a payload. */
const eventKeys = ["trigger_ref", "payload", "trigger_instance_id", "occurred_at", "source_ref", "dedup_key"];

async function writtenEvent(text: string, triggerRef: string): Promise<EventFacts> {
  const value = await parsedEvent(text);
  const isEvent =
    isJsonObject(value["payload"]) && Object.keys(value).every((key) => eventKeys.includes(key));
  return {
    id: "1",
    triggerRef: (isEvent ? textOf(value["trigger_ref"]) : null) ?? triggerRef,
    payload: isEvent ? objectOf(value["payload"]) : value,
    sourceRef: isEvent ? textOf(value["source_ref"]) : null,
    occurredAt: isEvent ? textOf(value["occurred_at"]) : null,
    triggerInstanceId: isEvent ? textOf(value["trigger_instance_id"]) : null,
  };
}

async function parsedEvent(text: string): Promise<JsonObject> {
  const attempt = "read the event";
  const remedy = "give JSON like '{\"celsius\": 31}', a file with JSON, or the id of a stored event";
  const isJson = text.trimStart().startsWith("{");
  let content: string;
  try {
    content = isJson ? text : await eventFile(text);
  } catch (error) {
    throw new OperatorError({ code: "EVENT_INVALID", attempt, reason: messageOf(error), remedy });
  }
  const where = isJson ? "it" : text;
  let value: JsonValue;
  try {
    value = parseJson(content);
  } catch (error) {
    throw new OperatorError({
      code: "EVENT_INVALID",
      attempt,
      reason: `${where} is not JSON: ${messageOf(error)}`,
      remedy,
    });
  }
  if (isJsonObject(value)) return value;
  throw new OperatorError({
    code: "EVENT_INVALID",
    attempt,
    reason: `${where} is not a JSON object`,
    remedy,
  });
}

/** Far more than any sensor may print. */
const fileBytesMax = 64 * 1_048_576;

/** @throws Error with a clause for people */
async function eventFile(path: string): Promise<string> {
  if (path === "") throw new Error("it is empty");
  const facts = await stat(path).catch((error: unknown) => {
    throw hasCode(error, "ENOENT") ? new Error(`there is no file ${path}`) : error;
  });
  if (facts.isDirectory()) throw new Error(`${path} is a folder`);
  if (facts.size > fileBytesMax)
    throw new Error(`${path} has ${facts.size} bytes, and an event in a file at most ${fileBytesMax}`);
  const content = await readFile(path, "utf8");
  // Some editors begin a file with a byte order mark, which is no JSON.
  return content.startsWith("\uFEFF") ? content.slice(1) : content;
}

function textOf(value: JsonValue | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function idOf(value: JsonValue | undefined): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}
