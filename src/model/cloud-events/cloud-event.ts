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
  const { id, source, type, specversion, time } = json;
  if (specversion !== "1.0") return invalid('specversion must be "1.0"');
  if (typeof id !== "string" || id === "") return invalid("id must be text");
  if (typeof source !== "string" || source === "") return invalid("source must be text");
  if (typeof type !== "string" || type === "") return invalid("type must be text");
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
  return valid({ id, source, type, time: instant ?? null, json });
}

function shortened(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}
