/**
 * A CloudEvent (version 1.0, https://github.com/cloudevents/spec) in its JSON form, whichever way it came.
 *
 * What the specification requires is checked; extensions are kept as they are.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";
import { instantText } from "../texts/instants.ts";

export interface CloudEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** As `instantText` writes it. */
  readonly time: string | null;
  /** All its attributes, and `data` or `data_base64` if it has any. */
  readonly json: JsonObject;
}

/** Section 3.1 of the specification. */
const attributeName = /^[a-z0-9]+$/;

export function decodeCloudEvent(value: JsonValue): Decoded<CloudEvent> {
  if (!isJsonObject(value)) return invalid("a CloudEvent is a JSON object");
  // An attribute with the value null is unset: section 2.2 of the JSON format.
  const json = Object.fromEntries(
    Object.entries(value).filter(([name, each]) => each !== null || name === "data"),
  );
  const { specversion, time } = json;
  if (specversion === undefined)
    return invalid(
      "specversion is missing; attributes are headers such as ce-id, or in the body with the content type application/cloudevents+json",
    );
  if (specversion !== "1.0") return invalid('specversion must be "1.0"');
  const { id, source, type } = json;
  if (!isText(id)) return invalid(`id ${unlikeText(id)}`);
  if (!isText(source)) return invalid(`source ${unlikeText(source)}`);
  if (!isText(type)) return invalid(`type ${unlikeText(type)}`);
  const instant = typeof time === "string" ? instantText(time) : undefined;
  if (time !== undefined && instant === undefined)
    return invalid('time must be a time with an offset, like "2026-01-31T12:00:00Z"');
  if (Object.hasOwn(json, "data") && Object.hasOwn(json, "data_base64"))
    return invalid("it has both data and data_base64");
  const misnamed = Object.keys(json).find((name) => name !== "data_base64" && !attributeName.test(name));
  if (misnamed !== undefined)
    return invalid(
      `names of attributes have lower-case letters and digits only, unlike ${shortened(misnamed)}`,
    );
  const problem = valueProblem(json);
  return problem === undefined ? valid({ id, source, type, time: instant ?? null, json }) : invalid(problem);
}

/** Optional attributes that are text. */
const textAttributes = ["subject", "datacontenttype", "dataschema"];
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Section 3.1 of the specification on types, and 3.1.1 of the JSON format on binary data. */
function valueProblem(json: JsonObject): string | undefined {
  for (const [name, value] of Object.entries(json)) {
    if (name === "data") continue;
    if (name === "data_base64") {
      if (typeof value !== "string" || !base64.test(value)) return "data_base64 must be Base64";
    } else if (textAttributes.includes(name)) {
      if (!isText(value)) return `${name} ${unlikeText(value)}`;
    } else if (typeof value !== "string" && typeof value !== "boolean" && !Number.isSafeInteger(value))
      return `${shortened(name)} must be text, true, false or a whole number: structures belong into data`;
  }
  return undefined;
}

function isText(value: JsonValue | undefined): value is string {
  return typeof value === "string" && value !== "";
}

function unlikeText(value: JsonValue | undefined): string {
  return value === undefined ? "is missing" : "must be text, and not empty";
}

function shortened(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}
