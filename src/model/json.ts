/** A value that JSON can carry. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: JsonValue;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isJsonArray(value: unknown): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/**
 * As many characters as the value has at least when it is written as JSON, told without writing it; of any depth.
 */
export function leastLength(value: JsonValue): number {
  let length = 0;
  const waiting: JsonValue[] = [value];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    length += typeof next === "string" ? next.length + 2 : 1;
    if (typeof next !== "object" || next === null) continue;
    for (const member of Object.values(next)) waiting.push(member);
    if (isJsonObject(next)) for (const name of Object.keys(next)) length += name.length + 3;
  }
  return length;
}
