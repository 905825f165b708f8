import { ExactNumber, isJsonNumber, numberKey, type JsonNumber } from "./exact-number.ts";

/** A value that JSON can carry. */
export type JsonValue = string | JsonNumber | boolean | null | readonly JsonValue[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber)
  );
}

export function isJsonArray(value: unknown): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** The value if it is an object, else an empty one. */
export function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

/** The value if it is an array, else an empty one. */
export function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return isJsonArray(value) ? value : [];
}

export type JsonType = "string" | "number" | "boolean" | "null" | "object" | "array";

export function jsonTypeOf(value: JsonValue): JsonType {
  if (isJsonNumber(value)) return "number";
  if (isJsonArray(value)) return "array";
  if (value === null) return "null";
  return typeof value === "string" ? "string" : typeof value === "boolean" ? "boolean" : "object";
}

/** Neither an array nor an object. */
export type JsonScalar = string | JsonNumber | boolean | null;

export function isJsonScalar(value: JsonValue | undefined): value is JsonScalar {
  return value !== undefined && (typeof value !== "object" || value === null || value instanceof ExactNumber);
}

export type LookupKey = string | number | bigint | boolean | null;

/** A map key for a scalar: equal exactly for equal scalars. */
export function lookupKey(scalar: JsonScalar): LookupKey {
  return scalar instanceof ExactNumber ? numberKey(scalar) : scalar;
}

/**
 * A lower bound for the length of the value as JSON text, computed without writing it, for any depth.
 */
export function leastLength(value: JsonValue): number {
  let length = 0;
  const waiting: JsonValue[] = [value];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    length += typeof next === "string" ? next.length + 2 : 1;
    if (typeof next !== "object" || next === null) continue;
    if (next instanceof ExactNumber) {
      length += next.text.length;
      continue;
    }
    for (const member of Object.values(next)) waiting.push(member);
    if (isJsonObject(next)) for (const name of Object.keys(next)) length += name.length + 3;
  }
  return length;
}
