/**
 * A CloudEvent in binary mode: its attributes are headers, its data is the body
 * (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md, section 3.1).
 *
 * It is brought into the JSON form: JSON as `data`, other text as `data` that is text, anything else as `data_base64`.
 */
import { Buffer, isUtf8 } from "node:buffer";
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import type { JsonObject, JsonValue } from "../json/json.ts";
import { decodeJson } from "../json/json-text.ts";

const prefix = "ce-";
/** They are no attributes, although the JSON form has them beside these. */
const dataNames: readonly string[] = ["ce-data", "ce-data_base64"];

/** @param headers all values of each, since a joined one would be another value */
export function binaryCloudEvent(
  headers: Readonly<Record<string, readonly string[] | undefined>>,
  contentType: string | undefined,
  body: Uint8Array,
): Decoded<JsonObject> {
  const attributes: [string, JsonValue][] = [];
  for (const [name, [value = "", ...others] = []] of Object.entries(headers)) {
    // The data's type is the body's.
    if (!name.startsWith(prefix) || name === "ce-datacontenttype") continue;
    if (others.length > 0) return invalid(`the header ${name} comes more than once`);
    if (dataNames.includes(name)) return invalid(`${name} is no attribute: the data is the body`);
    const text = headerText(value);
    if (text === undefined) return invalid(`the header ${name} has percent-encoded bytes that are not UTF-8`);
    attributes.push([name.slice(prefix.length), text]);
  }
  if (contentType !== undefined) attributes.push(["datacontenttype", contentType]);
  const data = dataOf(contentType, body);
  return data.kind === "invalid" ? data : valid(Object.fromEntries([...attributes, ...data.value]));
}

function dataOf(contentType: string | undefined, body: Uint8Array): Decoded<readonly [string, JsonValue][]> {
  if (body.length === 0) return valid([]);
  if (!isUtf8(body)) return valid([["data_base64", Buffer.from(body).toString("base64")]]);
  const [mediaType = ""] = (contentType ?? "application/json").split(";");
  const media = mediaType.trim().toLowerCase();
  const text = Buffer.from(body).toString("utf8");
  if (/^(?:application|text)\/json$|\+json$/.test(media)) {
    const decoded = decodeJson(text);
    return decoded.kind === "valid"
      ? valid([["data", decoded.value]])
      : invalid(`its data cannot be used: ${decoded.problem}`);
  }
  const isText = media.startsWith("text/") || /^application\/xml$|\+xml$/.test(media);
  return valid([isText ? ["data", text] : ["data_base64", Buffer.from(body).toString("base64")]]);
}

/**
 * Section 3.1.3.2: a value may be quoted, and other characters than visible ASCII are percent-encoded in UTF-8.
 *
 * @returns undefined if they are not; to replace them would make one id of several
 */
function headerText(value: string): string | undefined {
  let isValid = true;
  const text = /^".*"$/s.test(value) ? value.slice(1, -1).replaceAll(/\\(.)/gs, "$1") : value;
  // Node reads headers as Latin-1.
  const decoded = text.replaceAll(/(?:%[0-9a-fA-F]{2})+/g, (encoded) => {
    const bytes = Buffer.from(encoded.replaceAll("%", ""), "hex");
    isValid &&= isUtf8(bytes);
    return bytes.toString("utf8");
  });
  return isValid ? decoded : undefined;
}
