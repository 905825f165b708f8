/** A memory as it is kept in the database. */
import { nearestDouble } from "../json/exact-number.ts";
import {
  isJsonScalar,
  listOf,
  objectOf,
  type JsonObject,
  type JsonType,
  type JsonValue,
} from "../json/json.ts";
import type { Drift } from "./memory-drift.ts";
import {
  memoryTypes,
  typesIn,
  type Example,
  type FieldMemory,
  type PayloadMemory,
  type TypeMemory,
} from "./payload-memory.ts";

export function memoryJson({ samples, firstMs, lastMs, isCut, fields }: PayloadMemory): JsonObject {
  return {
    samples,
    first: firstMs,
    last: lastMs,
    cut: isCut,
    fields: Object.fromEntries([...fields].map(([path, field]) => [path, fieldJson(field)])),
  };
}

function fieldJson(field: FieldMemory): JsonObject {
  const types = typesIn(field).map((type) => {
    const { count = 0, firstMs = 0, lastMs = 0 } = field.types[type] ?? {};
    return [type, [count, firstMs, lastMs]] as const;
  });
  return {
    present: field.present,
    types: Object.fromEntries(types),
    integer: field.isInteger,
    examples: field.examples,
    absent: field.absentSince,
  };
}

export function parseMemory(value: JsonValue): PayloadMemory {
  const { samples, first, last, cut, fields } = objectOf(value);
  return {
    samples: numberOf(samples),
    firstMs: numberOf(first),
    lastMs: numberOf(last),
    isCut: cut === true,
    fields: new Map(Object.entries(objectOf(fields)).map(([path, field]) => [path, parseField(field)])),
  };
}

function parseField(value: JsonValue): FieldMemory {
  const { present, types, integer, examples, absent } = objectOf(value);
  const written = objectOf(types);
  const parsed: Partial<Record<JsonType, TypeMemory>> = {};
  for (const type of memoryTypes) if (Object.hasOwn(written, type)) parsed[type] = parseType(written[type]);
  return {
    present: numberOf(present),
    types: parsed,
    isInteger: integer === true,
    examples: listOf(examples).filter(
      (example): example is Example => isJsonScalar(example) && example !== null,
    ),
    absentSince: numberOf(absent),
  };
}

function parseType(value: JsonValue | undefined): TypeMemory {
  const [count, firstMs, lastMs] = listOf(value).map(numberOf);
  return { count: count ?? 0, firstMs: firstMs ?? 0, lastMs: lastMs ?? 0 };
}

function numberOf(value: JsonValue | undefined): number {
  return nearestDouble(value) ?? 0;
}

export function driftJson(drift: Drift): JsonObject {
  const { kind, path, sinceMs } = drift;
  return kind === "missing"
    ? { kind, path, since: sinceMs }
    : { kind, path, since: sinceMs, from: drift.from, to: drift.to, turned: drift.hasTurned };
}

/** Undefined: nothing that `driftJson` has written. */
export function parseDrift(value: JsonValue): Drift | undefined {
  const { kind, path, from, to, turned, since } = objectOf(value);
  if (typeof path !== "string") return undefined;
  const sinceMs = numberOf(since);
  if (kind === "missing") return { kind, path, sinceMs };
  const type = memoryTypes.find((each) => each === to);
  if (type === undefined) return undefined;
  const types = memoryTypes.filter((each) => listOf(from).includes(each));
  return { kind: "type", path, from: types, to: type, hasTurned: turned === true, sinceMs };
}
