/** What differs between two versions of a rule, field by field. */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";

export interface FieldDifference {
  /** Such as `conditions[0].value`. */
  readonly field: string;
  /** Undefined: it is not in the earlier version. */
  readonly from: JsonValue | undefined;
  /** Undefined: it is not in the later version. */
  readonly to: JsonValue | undefined;
}

/** @param from and to: definitions; null if the rule did not exist */
export function ruleDifferences(from: JsonObject | null, to: JsonObject | null): readonly FieldDifference[] {
  return membersOf(from ?? {}, to ?? {}, "");
}

function differences(
  from: JsonValue | undefined,
  to: JsonValue | undefined,
  field: string,
): readonly FieldDifference[] {
  if (from !== undefined && to !== undefined) {
    if (isJsonObject(from) && isJsonObject(to)) return membersOf(from, to, field);
    if (isJsonArray(from) && isJsonArray(to)) return elementsOf(from, to, field);
    // As texts, because 1.0 and 1.00 are other digits.
    if (JSON.stringify(from) === JSON.stringify(to)) return [];
  }
  return [{ field, from, to }];
}

function membersOf(from: JsonObject, to: JsonObject, field: string): readonly FieldDifference[] {
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])];
  return names
    .filter((name) => JSON.stringify(from[name]) !== JSON.stringify(to[name]))
    .flatMap((name) => differences(from[name], to[name], placeOf(field, name)));
}

function elementsOf(
  from: readonly JsonValue[],
  to: readonly JsonValue[],
  field: string,
): readonly FieldDifference[] {
  return Array.from({ length: Math.max(from.length, to.length) }, (_, index) => index).flatMap((index) =>
    from[index] === undefined && to[index] === undefined
      ? []
      : differences(from[index], to[index], `${field}[${index}]`),
  );
}

function placeOf(field: string, name: string): string {
  const step = /^[A-Za-z_][\w-]*$/.test(name) ? name : `[${JSON.stringify(name)}]`;
  if (field === "") return step;
  return step.startsWith("[") ? `${field}${step}` : `${field}.${step}`;
}
