/** `events replay`: matches stored events by today's rules, through the API of a running agent. */
import { linesOf } from "../client/line-answer.ts";
import { linesText, plainText } from "../client/output.ts";
import {
  isJsonArray,
  isJsonObject,
  objectOf,
  type JsonObject,
  type JsonValue,
} from "../../model/json/json.ts";
import { counted } from "../../model/texts/counted.ts";
import type { ExitCode } from "../invocation.ts";
import { clientOf, type ClientInvocation } from "./resources.ts";

/** As the API takes it. */
export type ReplayRequestBody = Readonly<Record<string, JsonValue>>;

/** @returns 1 if an event could not be replayed */
export async function replayEvents(invocation: ClientInvocation, body: ReplayRequestBody): Promise<ExitCode> {
  const isDry = body["dry_run"] === true;
  const isForced = body["force"] === true;
  const request = { method: "POST", path: "/api/v1/events/replay", body, attempt: "replay events" } as const;
  let skipped = 0;
  for await (const line of linesOf(clientOf(invocation), request)) {
    if (invocation.output !== "table") invocation.print(`${JSON.stringify(line)}\n`);
    else if ("done" in line) invocation.print(linesText([summary(objectOf(line["done"]), isDry)]));
    else if ("event" in line) invocation.print(linesText([eventLine(line, isForced)]));
    else invocation.complain(`${counted(Number(objectOf(line["progress"])["events"]), "event")} read\n`);
    if (line["outcome"] === "skipped") skipped += 1;
  }
  return skipped > 0 ? 1 : 0;
}

function eventLine(line: JsonObject, isForced: boolean): string {
  const event = `event ${plainText(line["event"])}`;
  if (line["outcome"] === "skipped") return `${event}: skipped: ${plainText(line["reason"])}`;
  if (line["outcome"] === "missing") {
    const refs = isJsonArray(line["rule_refs"]) ? line["rule_refs"].map(plainText) : [];
    const matching = refs.length === 0 ? "no rule" : refs.join(", ");
    return `${event}: would ${isForced ? `be stored anew, matching ${matching}` : `match ${matching}`}`;
  }
  const enforcements = (isJsonArray(line["enforcements"]) ? line["enforcements"] : []).filter(isJsonObject);
  const matched = enforcements.map(
    ({ id, rule_ref }) => `${plainText(rule_ref)}: enforcement ${plainText(id)}`,
  );
  const copy = line["copy"] === undefined ? [] : [`stored anew as event ${plainText(line["copy"])}`];
  return `${event}: ${[...copy, ...matched].join("; ")}`;
}

function summary(done: JsonObject, isDry: boolean): string {
  const count = (name: string, noun: string): string => counted(Number(done[name]), noun);
  const stored = isDry ? "would be stored" : "stored";
  const copies = done["copies"] === 0 ? "" : `, ${count("copies", "event")} ${stored} anew`;
  const skipped = done["skipped"] === 0 ? "" : `, ${plainText(done["skipped"])} skipped`;
  return `${count("events", "event")} read: ${count("enforcements", "enforcement")} ${stored}${copies}, ${plainText(done["complete"])} with nothing missing${skipped}`;
}
