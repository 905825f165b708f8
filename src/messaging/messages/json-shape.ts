/**
 * The shape of a message's fields, both ways: a value that came as JSON becomes a typed one or a
 * complaint with its path, and a typed one becomes JSON again.
 *
 * Fields that a shape does not name are ignored: a newer publisher may add some.
 */
import type { Id } from "../../model/identifiers.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json/json.ts";

// Methods, not properties: so that a shape of something is also a shape of unknown.
export interface Shape<T> {
  /** @throws ShapeProblem naming `path` when the value has another shape */
  decode(value: JsonValue | undefined, path: string): T;
  encode(value: T): JsonValue | undefined;
}

export type ValueOf<S> = S extends Shape<infer T> ? T : never;

export class ShapeProblem extends Error {
  override readonly name = "ShapeProblem";
}

function scalar<T extends JsonValue>(expected: string, isOne: (value: JsonValue) => value is T): Shape<T> {
  return {
    decode(value, path) {
      if (value !== undefined && isOne(value)) return value;
      throw new ShapeProblem(`${path}: expected ${expected}, found ${describe(value)}`);
    },
    encode: (value) => value,
  };
}

export const text = scalar("text", (value) => typeof value === "string");
export const flag = scalar("true or false", (value) => typeof value === "boolean");
export const count = scalar("a whole number", (value): value is number => Number.isSafeInteger(value));
export const record = scalar("an object", (value): value is JsonObject => isJsonObject(value));
export const anything = scalar("a value", (value): value is JsonValue => value !== undefined);

/** RFC 3339, kept as the text that was sent. */
export const instant = scalar(
  "an RFC 3339 time",
  (value): value is string => typeof value === "string" && rfc3339.test(value),
);
const rfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/** A row's id: a JSON number while that is exact, decimal text beyond 2^53. */
export const id: Shape<Id> = {
  decode(value, path) {
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return String(value);
    if (typeof value === "string" && /^\d+$/.test(value)) return value;
    throw new ShapeProblem(`${path}: expected an id, found ${describe(value)}`);
  },
  encode: (value) => (isExact(value) ? Number(value) : value),
};

/** The id as JSON text, for messages assembled by hand. */
export function idJson(value: Id): string {
  return isExact(value) ? value : `"${value}"`;
}

function isExact(value: Id): boolean {
  return value.length < 16 || Number.isSafeInteger(Number(value));
}

/** Absent is null. */
export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return {
    decode: (value, path) => (value === undefined || value === null ? null : shape.decode(value, path)),
    encode: (value) => (value === null ? null : shape.encode(value)),
  };
}

/** May be left out. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return {
    decode: (value, path) => (value === undefined ? undefined : shape.decode(value, path)),
    encode: (value) => (value === undefined ? undefined : shape.encode(value)),
  };
}

export interface Fields<T> extends Shape<T> {
  readonly names: readonly string[];
}

export function fields<S extends Record<string, Shape<unknown>>>(
  shapes: S,
): Fields<{ readonly [K in keyof S]: ValueOf<S[K]> }>;
export function fields(shapes: Record<string, Shape<unknown>>): Fields<Readonly<Record<string, unknown>>> {
  const entries = Object.entries(shapes);
  return {
    names: Object.keys(shapes),
    decode(value, path) {
      const object = record.decode(value, path);
      return Object.fromEntries(
        entries.map(([name, shape]) => [name, shape.decode(object[name], `${path}.${name}`)]),
      );
    },
    encode(value) {
      const encoded: Record<string, JsonValue> = {};
      for (const [name, shape] of entries) {
        const field = shape.encode(value[name]);
        if (field !== undefined) encoded[name] = field;
      }
      return encoded;
    },
  };
}

function describe(value: JsonValue | undefined): string {
  if (value === undefined) return "nothing";
  const json = JSON.stringify(value);
  return json.length > 60 ? `${json.slice(0, 60)}…` : json;
}
