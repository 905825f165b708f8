/** `events explain`, `rules explain`, `sensors explain`: the answer in the first line, then what it rests on. */
import {
  isJsonArray,
  isJsonObject,
  objectOf,
  type JsonObject,
  type JsonValue,
} from "../../model/json/json.ts";
import { counted } from "../../model/texts/counted.ts";
import { entryText, linesText, plainText } from "../client/output.ts";
import type { ExitCode } from "../invocation.ts";
import { clientOf, type ClientInvocation } from "./resources.ts";

export interface EventQuestion {
  /** Undefined: the event that holds the dedup key. */
  readonly id: string | undefined;
  readonly dedupKey: string | undefined;
  readonly triggerRef: string | undefined;
  readonly ruleRef: string | undefined;
}

/** How many rules get a paragraph in text output; `--format json` has all of them. */
const rulesShown = 20;
const groupsShown = 20;

export async function explainEvent(
  invocation: ClientInvocation,
  { id, dedupKey, triggerRef, ruleRef }: EventQuestion,
): Promise<ExitCode> {
  const query: Record<string, string> = ruleRef === undefined ? {} : { rule: ruleRef };
  if (dedupKey !== undefined) query["dedup_key"] = dedupKey;
  if (triggerRef !== undefined) query["trigger_ref"] = triggerRef;
  const path = id === undefined ? "/api/v1/events/explain" : `/api/v1/events/${id}/explain`;
  return await explain(invocation, path, query, "explain the event", eventText);
}

export async function explainRule(
  invocation: ClientInvocation,
  ref: string,
  last: string,
): Promise<ExitCode> {
  const path = `/api/v1/rules/${encodeURIComponent(ref)}/explain`;
  return await explain(invocation, path, { limit: last }, `explain the rule ${ref}`, ruleText);
}

export async function explainSensor(invocation: ClientInvocation, ref: string): Promise<ExitCode> {
  const path = `/api/v1/sensors/${encodeURIComponent(ref)}/explain`;
  return await explain(invocation, path, {}, `explain the sensor ${ref}`, sensorText);
}

async function explain(
  invocation: ClientInvocation,
  path: string,
  query: Readonly<Record<string, string>>,
  attempt: string,
  textOf: (data: JsonObject) => readonly string[],
): Promise<ExitCode> {
  const { print, output } = invocation;
  const answer = await clientOf(invocation).ask({ path, query, attempt });
  const data = objectOf(answer["data"]);
  print(output === "table" ? linesText(textOf(data)) : entryText(data, output));
  return 0;
}

function eventText(data: JsonObject): readonly string[] {
  const rules = objectsOf(data["rules"]);
  const shown = rules.slice(0, rulesShown);
  const more = rules.length - shown.length;
  return [
    ...head(data),
    ...shown.flatMap(ruleStory),
    ...(more > 0 ? [`${counted(more, "more rule")}; --format json lists all`] : []),
  ];
}

function ruleStory(rule: JsonObject): readonly string[] {
  const { enforcement, parameters } = rule;
  const wish = rule["would_match_if"];
  const failures = objectsOf(rule["failures"]);
  return [
    `- ${plainText(rule["sentence"])}`,
    ...failures
      .slice(1)
      .map(
        ({ place, sentence, hint }) => `  also ${plainText(place)}: ${plainText(sentence)}${hintText(hint)}`,
      ),
    ...(typeof wish === "string" ? [`  it would have matched if ${wish}`] : []),
    ...(isJsonObject(enforcement) ? [`  ${enforcementText(enforcement)}`] : []),
    ...(isJsonObject(parameters) ? [`  parameters: ${JSON.stringify(parameters)}`] : []),
  ];
}

function enforcementText({ id, status, created, message, owed_since: since, refusal }: JsonObject): string {
  const fates: Readonly<Record<string, string>> = {
    confirmed: "the broker has confirmed its message",
    owed: `its message has waited for the broker since ${plainText(since)}`,
    refused: `the broker refuses its message: ${plainText(refusal)}`,
  };
  return `enforcement ${plainText(id)}, ${plainText(status)}, stored at ${plainText(created)}; ${fates[plainText(message)] ?? ""}`;
}

function ruleText(data: JsonObject): readonly string[] {
  const groups = objectsOf(data["groups"]);
  return [
    ...head(data),
    ...groups
      .slice(0, groupsShown)
      .flatMap(({ events: count, reason, example, would_match_if: wish }) => [
        `- ${counted(Number(count), "event")}, like ${plainText(example)}: ${plainText(reason)}`,
        ...(typeof wish === "string" ? [`  it would have matched if ${wish}`] : []),
      ]),
  ];
}

function sensorText(data: JsonObject): readonly string[] {
  const last = data["last_event"];
  return [
    ...head(data),
    ...(isJsonObject(last)
      ? [`  last event: ${plainText(last["id"])} at ${plainText(last["created"])}`]
      : []),
    ...textsOf(data["rejected"]).map((line) => `  rejected: ${line}`),
  ];
}

function head({ answer, notes }: JsonObject): readonly string[] {
  return [plainText(answer), ...textsOf(notes).map((note) => `  ${note}`)];
}

function hintText(hint: JsonValue | undefined): string {
  return typeof hint === "string" ? ` (${hint})` : "";
}

function objectsOf(value: JsonValue | undefined): readonly JsonObject[] {
  return value !== undefined && isJsonArray(value) ? value.filter(isJsonObject) : [];
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  return value !== undefined && isJsonArray(value) ? value.filter((each) => typeof each === "string") : [];
}
