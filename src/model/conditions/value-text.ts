/** How values and fields are written in sentences about conditions. */
import { isJsonNumber } from "../json/exact-number.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../json/json.ts";
import { writeFieldPath, type FieldPath } from "../paths/field-path.ts";

/** A field as people write it in conditions. */
export function fieldText(path: FieldPath): string {
  if (path.length === 0) return "`payload`";
  return `\`${writeFieldPath(path) ?? path.join(".")}\``;
}

const excerptLength = 60;

/** A value as JSON, cut if it is long. */
export function valueText(value: JsonValue): string {
  if (isJsonArray(value)) return value.length > 8 ? listText(value) : cut(JSON.stringify(value));
  return cut(JSON.stringify(value));
}

function cut(text: string): string {
  return text.length <= excerptLength ? text : `${text.slice(0, excerptLength)}…`;
}

/** A value with its type, where the type matters: `the text "5"`. */
export function typedText(value: JsonValue): string {
  if (typeof value === "string") return `the text ${valueText(value)}`;
  if (isJsonNumber(value)) return `the number ${valueText(value)}`;
  if (isJsonArray(value)) return listText(value);
  if (isJsonObject(value)) return "an object";
  return valueText(value);
}

function listText(value: readonly JsonValue[]): string {
  return value.length === 0 ? "an empty list" : `a list of ${value.length}`;
}

/** As it is written, which JSON would escape. */
export function patternText(pattern: JsonValue): string {
  return typeof pattern === "string" ? pattern : valueText(pattern);
}

export function choicesText(choices: JsonValue): string {
  if (!isJsonArray(choices)) return valueText(choices);
  const shown = choices.slice(0, 5).map(valueText);
  const more = choices.length - shown.length;
  const all = more > 0 ? [...shown, `${more} more`] : shown;
  return all.length === 1 ? (all[0] ?? "") : `one of ${all.slice(0, -1).join(", ")} or ${all.at(-1) ?? ""}`;
}
