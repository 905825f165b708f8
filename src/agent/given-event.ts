/**
 * An event as people write it for a command: JSON, a file with JSON, or `-` for standard input.
 *
 * The object is read as a sensor's output is, so that an event can be copied from there. An event as the API and `events show`
 * answer it is one, too.
 */
import { readFile, stat } from "node:fs/promises";
import { hasCode, messageOf } from "../errors/caught.ts";
import { OperatorError } from "../errors/operator-error.ts";
import { isJsonObject, objectOf, type JsonObject, type JsonValue } from "../model/json/json.ts";
import { parseJson } from "../model/json/json-text.ts";
import { aimAt } from "../model/rules/rule-aim.ts";
import type { EventFacts } from "../model/rules/rule-match.ts";
import { decodeValue, isEnvelope } from "../sensors/output/decode-value.ts";

export interface GivenEvent {
  readonly event: EventFacts;
  /** What its author may have meant otherwise, each in one clause. */
  readonly remarks: readonly string[];
}

/** Where `-` reads. */
export type EventInput = AsyncIterable<Uint8Array | string>;

/** @throws OperatorError EVENT_INVALID */
export async function givenObject(text: string, input: EventInput): Promise<JsonObject> {
  const isJson = /^\s*[{["]/.test(text);
  const where = isJson ? "it" : text === "-" ? "standard input" : text;
  let content: string;
  try {
    content = isJson ? text : text === "-" ? await inputText(input) : await fileText(text);
  } catch (error) {
    throw unusable(messageOf(error));
  }
  let value: JsonValue;
  try {
    value = parseJson(content);
  } catch (error) {
    throw unusable(`${where} is not JSON: ${messageOf(error)}`);
  }
  if (!isJsonObject(value)) throw unusable(`${where} is not a JSON object`);
  return value;
}

/**
 * @param triggerRef the trigger of an event that names none
 * @throws OperatorError EVENT_INVALID
 */
export function eventIn(value: JsonObject, triggerRef: string): GivenEvent {
  return isAnswered(value) ? { event: answeredEvent(value), remarks: [] } : writtenEvent(value, triggerRef);
}

/** Of an event that the API answers. */
export function answeredEvent(row: JsonObject): EventFacts {
  const { id = null } = row;
  const ruleRef = textOf(row["rule_ref"]);
  return {
    id: typeof id === "string" ? id : JSON.stringify(id),
    triggerRef: textOf(row["trigger_ref"]) ?? "",
    payload: objectOf(row["payload"]),
    sourceRef: textOf(row["source_ref"]),
    occurredAt: textOf(row["occurred_at"]),
    triggerInstanceId: ruleRef === null ? null : aimAt(ruleRef),
  };
}

function isAnswered({ id, created, trigger_ref: triggerRef, payload }: JsonObject): boolean {
  const isNumbered = typeof id === "number" || typeof id === "string";
  return isNumbered && typeof created === "string" && typeof triggerRef === "string" && isJsonObject(payload);
}

function writtenEvent(value: JsonObject, mainTrigger: string): GivenEvent {
  const { source_ref: source, ...others } = value;
  // Sensors do not name themselves, but templates can.
  const hasSource = typeof source === "string" && "payload" in others && isEnvelope(others);
  const printed = hasSource ? others : value;
  const named = textOf(printed["trigger_ref"]);
  const served = { main: mainTrigger, all: new Set([mainTrigger, ...(named === null ? [] : [named])]) };
  const decoded = decodeValue(printed, served, "");
  if (decoded.kind === "rejected") throw unusable(`its ${decoded.rejection.reason}`);
  if (decoded.kind !== "event") throw unusable("it has a checkpoint only, which is no event");
  const { triggerRef, payload, triggerInstanceId, occurredAt } = decoded.event;
  return {
    event: {
      id: "1",
      triggerRef,
      payload,
      sourceRef: hasSource ? source : null,
      occurredAt,
      triggerInstanceId,
    },
    remarks: decoded.remarks.map((remark) => remark.text),
  };
}

/** Far more than any sensor may print. */
const bytesMax = 64 * 1_048_576;

/** @throws Error with a clause for people */
async function fileText(path: string): Promise<string> {
  if (path === "") throw new Error("it is empty");
  const facts = await stat(path).catch((error: unknown) => {
    throw hasCode(error, "ENOENT") ? new Error(`there is no file ${path}`) : error;
  });
  if (facts.isDirectory()) throw new Error(`${path} is a folder`);
  if (facts.size > bytesMax)
    throw new Error(`${path} has ${facts.size} bytes, and an event in a file at most ${bytesMax}`);
  return unmarked(await readFile(path, "utf8"));
}

/** @throws Error with a clause for people */
async function inputText(input: EventInput): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > bytesMax) throw new Error(`standard input has more than ${bytesMax} bytes`);
    chunks.push(buffer);
  }
  const text = unmarked(Buffer.concat(chunks).toString("utf8"));
  if (text.trim() === "") throw new Error("standard input is empty");
  return text;
}

/** Some editors begin a file with a byte order mark, which is no JSON. */
function unmarked(text: string): string {
  return text.startsWith("\uFEFF") ? text.slice(1) : text;
}

function unusable(reason: string): OperatorError {
  return new OperatorError({
    code: "EVENT_INVALID",
    attempt: "read the event",
    reason,
    remedy:
      "give JSON like '{\"celsius\": 31}', a file with JSON, - for standard input, or the id of a stored event",
  });
}

function textOf(value: JsonValue | undefined): string | null {
  return typeof value === "string" ? value : null;
}
