/** The body of a webhook's request, read as its content type or the endpoint says. */
import { Buffer, isUtf8 } from "node:buffer";
import { decodeJson } from "../json/json-text.ts";
import type { JsonValue } from "../json/json.ts";
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import type { BodyForm } from "./endpoint-settings.ts";

export type ReadForm = Exclude<BodyForm, "auto">;

/** Null: such a body is not read. A body without a content type is taken for JSON. */
export function formOf(setting: BodyForm, contentType: string | undefined): ReadForm | null {
  if (setting !== "auto") return setting;
  const type = (contentType ?? "application/json").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (type === "application/x-www-form-urlencoded") return "form";
  if (type === "application/json" || type.endsWith("+json") || type === "text/json") return "json";
  return type.startsWith("text/") || type.endsWith("+xml") || type === "application/xml" ? "text" : null;
}

/**
 * An empty body is null.
 *
 * @param formField field of a form that carries the body as JSON, if it is the only one
 */
export function decodeBody(
  bytes: Uint8Array,
  form: ReadForm,
  formField: string | null = null,
): Decoded<JsonValue> {
  if (bytes.length === 0) return valid(null);
  if (!isUtf8(bytes)) return invalid("it is not UTF-8");
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
  switch (form) {
    case "json":
      return decodeJson(text.charCodeAt(0) === 0xfe_ff ? text.slice(1) : text);
    case "text":
      return valid(text);
    case "form":
      return decodeForm(text, formField);
  }
}

function decodeForm(text: string, formField: string | null): Decoded<JsonValue> {
  const fields = pairsOf(text);
  if (formField === null || Object.keys(fields).length !== 1) return valid(fields);
  const carried = fields[formField];
  return typeof carried === "string" ? decodeJson(carried) : valid(fields);
}

/** A name that comes several times has a list of values. */
export function pairsOf(text: string): Readonly<Record<string, string | readonly string[]>> {
  const pairs = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(text)) {
    const values = pairs.get(name);
    if (values === undefined) pairs.set(name, [value]);
    else values.push(value);
  }
  return Object.fromEntries(
    Array.from(pairs, ([name, values]) => [name, values.length === 1 ? (values[0] ?? "") : values]),
  );
}
