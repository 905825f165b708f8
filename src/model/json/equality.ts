/** Equality of JSON values: numbers by value, strings by characters, objects regardless of key order. */
import { canonicalNumber, compareNumbers, ExactNumber, isJsonNumber } from "./exact-number.ts";
import { isJsonArray, isJsonObject, isJsonScalar, type JsonObject, type JsonValue } from "./json.ts";

/** Recurses only as deep as the shallower value, so one of the two may be arbitrarily deep. */
export function areEqual(one: JsonValue, other: JsonValue): boolean {
  if (one === other) return true;
  if (one instanceof ExactNumber || other instanceof ExactNumber)
    return isJsonNumber(one) && isJsonNumber(other) && compareNumbers(one, other) === 0;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (isJsonArray(one)) return isJsonArray(other) && areEqualArrays(one, other);
  return isJsonObject(one) && isJsonObject(other) && areEqualObjects(one, other);
}

function areEqualArrays(one: readonly JsonValue[], other: readonly JsonValue[]): boolean {
  if (one.length !== other.length) return false;
  return one.every((element, index) => {
    const counterpart = other[index];
    return counterpart !== undefined && areEqual(element, counterpart);
  });
}

function areEqualObjects(one: JsonObject, other: JsonObject): boolean {
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  return names.every((name) => {
    const [mine, theirs] = [one[name], Object.hasOwn(other, name) ? other[name] : undefined];
    return mine !== undefined && theirs !== undefined && areEqual(mine, theirs);
  });
}

/** The same text for equal values, different text for different ones. */
export function canonicalText(value: JsonValue): string {
  if (isJsonNumber(value)) return canonicalNumber(value);
  if (isJsonScalar(value)) return JSON.stringify(value);
  if (isJsonArray(value)) return `[${value.map(canonicalText).join()}]`;
  const members = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalText(member)}`).join()}}`;
}

/** Whether arrays and objects are nested at most `depthMax` deep. */
export function isAtMostDeep(value: JsonValue, depthMax: number): boolean {
  if (isJsonScalar(value)) return true;
  if (depthMax <= 0) return false;
  // By a loop: this is done for every payload, and most are flat.
  const members: readonly JsonValue[] = isJsonArray(value) ? value : Object.values(value);
  for (const member of members)
    if (!isJsonScalar(member) && !isAtMostDeep(member, depthMax - 1)) return false;
  return true;
}
