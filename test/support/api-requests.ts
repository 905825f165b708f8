/**
 * Random requests for every operation of an OpenAPI document: some as its schemas want them, some with a value replaced by
 * anything, some with a body of anything.
 */
import fc from "fast-check";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../src/model/json/json.ts";
import { jsonTexts } from "./json-texts.ts";

export interface ApiRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** JSON text, or what only looks like it. */
  readonly body: string | undefined;
}

const methods = ["get", "post", "put", "patch", "delete"];

/** Values that have broken programs before. */
const oddTexts = fc.constantFrom(
  "",
  "\0",
  "a\0b",
  "../../../etc/passwd",
  "..%2f..%2fetc%2fpasswd",
  "'; drop table rule; --",
  "\ud800",
  "%",
  "%00",
  "9223372036854775808",
  "-1",
  "1e400",
  "0x10",
  "null",
  "__proto__",
  "constructor",
  "core",
  "fuzz.trigger",
  "é".repeat(200),
  "x".repeat(300),
);

const anyText = fc.oneof(
  oddTexts,
  fc.string({ unit: "binary", maxLength: 30 }),
  fc.stringMatching(/^[a-z]{1,8}\.[a-z]{1,8}$/),
);

/** @param isExcluded operations left out, by method and path */
export function apiRequests(
  document: JsonObject,
  isExcluded: (method: string, path: string) => boolean,
): fc.Arbitrary<ApiRequest> {
  const operations = Object.entries(members(document["paths"])).flatMap(([path, item]) =>
    methods.flatMap((method) => {
      const operation = members(item)[method];
      return isJsonObject(operation) && !isExcluded(method, path) ? [{ method, path, operation }] : [];
    }),
  );
  return fc.constantFrom(...operations).chain(({ method, path, operation }) =>
    fc.record({
      method: fc.constant(method.toUpperCase()),
      path: fc
        .tuple(pathOf(path), queryOf(operation))
        .map(([filled, query]) => (query === "" ? filled : `${filled}?${query}`)),
      body: method === "get" ? fc.constant(undefined) : bodyOf(operation),
    }),
  );
}

function pathOf(path: string): fc.Arbitrary<string> {
  const parts = path
    .split(/(\{\w+\})/)
    .map((part) =>
      part.startsWith("{")
        ? anyText.map((text) => encodeURIComponent(text.toWellFormed()) || "x")
        : fc.constant(part),
    );
  return fc.tuple(...parts).map((texts) => texts.join(""));
}

function queryOf(operation: JsonObject): fc.Arbitrary<string> {
  const names = elements(operation["parameters"]).flatMap((parameter) => {
    const { in: place, name } = members(parameter);
    return place === "query" && typeof name === "string"
      ? [{ name, schema: members(members(parameter)["schema"]) }]
      : [];
  });
  const pairs = names.map(({ name, schema }) =>
    fc.option(
      fc
        .oneof(
          valueFor(schema, 0).map((value) => (typeof value === "string" ? value : JSON.stringify(value))),
          anyText,
        )
        .map((text) => `${name}=${encodeURIComponent(text.toWellFormed())}`),
      { nil: "", freq: 2 },
    ),
  );
  return fc.tuple(...pairs).map((texts) => texts.filter((text) => text !== "").join("&"));
}

function bodyOf(operation: JsonObject): fc.Arbitrary<string | undefined> {
  const content = members(members(operation["requestBody"])["content"]);
  const { schema } = members(content["application/json"]);
  const fitting = isJsonObject(schema)
    ? valueFor(schema, 0).map((value) => JSON.stringify(value))
    : fc.constant("{}");
  return fc.oneof(
    { weight: 6, arbitrary: fitting },
    { weight: 2, arbitrary: jsonTexts },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 50 }) },
    { weight: 1, arbitrary: fc.constantFrom(undefined, "", "[".repeat(2_000), '{"a":', "null", "[]", '""') },
  );
}

/** Mostly what the schema wants, and now and then anything. */
function valueFor(schema: JsonObject, depth: number): fc.Arbitrary<JsonValue> {
  return fc.oneof(
    { weight: 9, arbitrary: fittingValue(schema, depth) },
    {
      weight: 1,
      arbitrary: fc.oneof(
        anyText,
        jsonTexts.map((text) => JSON.parse(text) as JsonValue),
      ),
    },
  );
}

function fittingValue(schema: JsonObject, depth: number): fc.Arbitrary<JsonValue> {
  const { type, enum: words, const: only, anyOf, items } = schema;
  if (depth > 4) return fc.constant(null);
  if (isJsonArray(words) && words.length > 0) return fc.constantFrom(...words);
  if (only !== undefined) return fc.constant(only);
  const choices = elements(anyOf).filter(isJsonObject);
  if (choices.length > 0) return fc.oneof(...choices.map((choice) => fittingValue(choice, depth + 1)));
  switch (type) {
    case "string":
      return anyText;
    case "integer":
      return fc.oneof(fc.integer(), fc.constantFrom(0, -1, 1, 2 ** 53, 1e300));
    case "number":
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(valueFor(members(items), depth + 1), { maxLength: 4 });
    case "object":
      return objectFor(schema, depth);
    default:
      return jsonTexts.map((text) => JSON.parse(text) as JsonValue);
  }
}

function objectFor(schema: JsonObject, depth: number): fc.Arbitrary<JsonValue> {
  const properties = Object.entries(members(schema["properties"])).map(([name, property]) => [
    name,
    valueFor(members(property), depth + 1),
  ]);
  const required = elements(schema["required"]).filter((name) => typeof name === "string");
  const record = fc.record(Object.fromEntries(properties) as Record<string, fc.Arbitrary<JsonValue>>, {
    requiredKeys: required.filter((name) => properties.some(([known]) => known === name)),
  });
  return fc
    .tuple(record, fc.dictionary(fc.string({ maxLength: 8 }), fc.constant(1), { maxKeys: 1 }))
    .map(([known, unknown]) => ({ ...unknown, ...known }));
}

function members(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function elements(value: JsonValue | undefined): readonly JsonValue[] {
  return isJsonArray(value) ? value : [];
}
