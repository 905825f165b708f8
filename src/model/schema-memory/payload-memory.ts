/**
 * What the payloads of a trigger look like: which fields they have, how often, of which types, with a few examples.
 *
 * It is learned from samples and bounded in fields, depth and length of examples, whatever the payloads are. Each field
 * counts once per payload. The elements of an array are one field, and so are the members of an object whose names are data,
 * such as addresses. Memories of different agents and times add up in any order.
 *
 * Values of fields whose name looks like a secret's, or that are inside such a field, are never kept, nor are texts that look
 * like a token.
 */
import { ExactNumber } from "../json/exact-number.ts";
import {
  isJsonArray,
  isJsonObject,
  jsonTypeOf,
  type JsonObject,
  type JsonType,
  type JsonValue,
} from "../json/json.ts";
import { isSecretName } from "../texts/secret-name.ts";
import { childPath } from "./memory-path.ts";

export interface PayloadMemory {
  /** Payloads it was learned from. */
  readonly samples: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** Some fields were left out, because there are too many or they are too deep. */
  readonly isCut: boolean;
  /** By path, as memory-path.ts writes it. */
  readonly fields: ReadonlyMap<string, FieldMemory>;
}

export interface FieldMemory {
  /** Payloads that have it. */
  readonly present: number;
  readonly types: Readonly<Partial<Record<JsonType, TypeMemory>>>;
  /** Every number was an integer. */
  readonly isInteger: boolean;
  /** The same few of all values, in whatever order they come. */
  readonly examples: readonly Example[];
  /** Payloads since the last one with this field, of those that could have had it; see memory-drift.ts. */
  readonly absentSince: number;
}

export interface TypeMemory {
  /** Payloads in which the field had this type, in arrays at least once. */
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

export type Example = string | number | boolean | ExactNumber;

export const memoryLimits = {
  fields: 200,
  depth: 8,
  pathLength: 256,
  /** Values looked at in one payload. */
  nodes: 1_000,
  elements: 20,
  examples: 3,
  exampleLength: 40,
  /** An object with more members is a table, whose names are data. */
  members: 64,
} as const;

/** Leaves an example out. */
export type IsHidden = (text: string) => boolean;

/** The memory of a single payload. */
export function memoryOf(payload: JsonObject, atMs: number, isHidden: IsHidden = () => false): PayloadMemory {
  const reading: Reading = { atMs, isHidden, fields: new Map(), nodesLeft: memoryLimits.nodes, isCut: false };
  readMembers(payload, "", false, 1, reading);
  return { samples: 1, firstMs: atMs, lastMs: atMs, isCut: reading.isCut, fields: reading.fields };
}

export function mergeMemories(one: PayloadMemory, other: PayloadMemory): PayloadMemory {
  const fields = new Map(one.fields);
  for (const [path, field] of other.fields) {
    const known = fields.get(path);
    fields.set(path, known === undefined ? field : mergeFields(known, field));
  }
  const isTooMany = fields.size > memoryLimits.fields;
  return {
    samples: one.samples + other.samples,
    firstMs: Math.min(one.firstMs, other.firstMs),
    lastMs: Math.max(one.lastMs, other.lastMs),
    isCut: one.isCut || other.isCut || isTooMany,
    fields: isTooMany ? mostPresent(fields) : fields,
  };
}

interface Reading {
  readonly atMs: number;
  readonly isHidden: IsHidden;
  readonly fields: Map<string, FieldMemory>;
  nodesLeft: number;
  isCut: boolean;
}

function readMembers(
  object: JsonObject,
  path: string,
  isSecret: boolean,
  depth: number,
  reading: Reading,
): void {
  const names = Object.keys(object);
  const isTable = names.length > memoryLimits.members;
  for (const name of names) {
    if (reading.nodesLeft <= 0) break;
    const step = isTable || isData(name) ? "any" : { name };
    readValue(
      object[name] ?? null,
      childPath(path, step),
      isSecret || isSecretName(name) || isPrivateName(name),
      depth,
      reading,
    );
  }
}

function readValue(value: JsonValue, path: string, isSecret: boolean, depth: number, reading: Reading): void {
  reading.nodesLeft -= 1;
  const { fields } = reading;
  const isKnown = fields.has(path);
  if (
    reading.nodesLeft <= 0 ||
    depth > memoryLimits.depth ||
    path.length > memoryLimits.pathLength ||
    (!isKnown && fields.size >= memoryLimits.fields)
  ) {
    reading.isCut = true;
    return;
  }
  noteValue(value, path, isSecret, reading);
  if (isJsonObject(value)) readMembers(value, path, isSecret, depth + 1, reading);
  if (!isJsonArray(value)) return;
  for (const element of value.slice(0, memoryLimits.elements)) {
    readValue(element, childPath(path, "elements"), isSecret, depth + 1, reading);
  }
}

function noteValue(
  value: JsonValue,
  path: string,
  isSecret: boolean,
  { atMs, isHidden, fields }: Reading,
): void {
  const known = fields.get(path);
  const type = jsonTypeOf(value);
  const example = isSecret ? undefined : exampleOf(value, isHidden);
  fields.set(path, {
    present: 1,
    types: { ...known?.types, [type]: { count: 1, firstMs: atMs, lastMs: atMs } },
    isInteger: (known?.isInteger ?? true) && (type !== "number" || isInteger(value)),
    examples: mergeExamples(known?.examples ?? [], example === undefined ? [] : [example]),
    absentSince: 0,
  });
}

function mergeFields(one: FieldMemory, other: FieldMemory): FieldMemory {
  const types: Partial<Record<JsonType, TypeMemory>> = { ...one.types };
  for (const type of typesIn(other)) {
    const [mine, theirs] = [types[type], other.types[type]];
    if (theirs === undefined) continue;
    types[type] =
      mine === undefined
        ? theirs
        : {
            count: mine.count + theirs.count,
            firstMs: Math.min(mine.firstMs, theirs.firstMs),
            lastMs: Math.max(mine.lastMs, theirs.lastMs),
          };
  }
  return {
    present: one.present + other.present,
    types,
    isInteger: one.isInteger && other.isInteger,
    examples: mergeExamples(one.examples, other.examples),
    absentSince: Math.min(one.absentSince, other.absentSince),
  };
}

export const memoryTypes: readonly JsonType[] = ["string", "number", "boolean", "object", "array", "null"];

export function typesIn({ types }: Pick<FieldMemory, "types">): readonly JsonType[] {
  return memoryTypes.filter((type) => types[type] !== undefined);
}

function mostPresent(fields: ReadonlyMap<string, FieldMemory>): ReadonlyMap<string, FieldMemory> {
  const sorted = [...fields].toSorted(
    ([path, one], [otherPath, other]) => other.present - one.present || (path < otherPath ? -1 : 1),
  );
  return new Map(sorted.slice(0, memoryLimits.fields));
}

/** Names that are probably values: numbers, addresses, identifiers. */
function isData(name: string): boolean {
  return (
    name === "" ||
    name.length > 64 ||
    /^\d|[@/\0\p{Surrogate}]|^[0-9a-f-]{16,}$/iu.test(name) ||
    /^\d{1,3}(?:\.\d{1,3}){3}$|:.*:/.test(name)
  );
}

function isPrivateName(name: string): boolean {
  return /pwd|private|iban|ssn|card|otp|cvv|^pin$/i.test(name);
}

function isInteger(value: JsonValue): boolean {
  return value instanceof ExactNumber ? /^-?\d+$/.test(value.text) : Number.isInteger(value);
}

function exampleOf(value: JsonValue, isHidden: IsHidden): Example | undefined {
  if (value instanceof ExactNumber)
    return value.text.length <= memoryLimits.exampleLength ? value : undefined;
  if (typeof value === "string") return isShowable(value) && !isHidden(value) ? value : undefined;
  // As it will be read again: JSON writes -0 as 0.
  if (typeof value === "number") return value + 0;
  return typeof value === "boolean" ? value : undefined;
}

/** Long words of letters and digits may be tokens. The database cannot store some characters. */
function isShowable(text: string): boolean {
  if (text.length > memoryLimits.exampleLength || /[\0\p{Surrogate}]/u.test(text)) return false;
  if (/^\d{4}-\d\d-\d\d[T ][\d:.+Z-]*$/.test(text)) return true;
  return !/:\/\/[^/\s]*@|bearer |-----BEGIN/i.test(text) && !/(?=\S*\d)(?=\S*[a-z])\S{20,}/i.test(text);
}

/** Those with the lowest hashes, so that it does not matter in which order they come. */
function mergeExamples(one: readonly Example[], other: readonly Example[]): readonly Example[] {
  if (other.length === 0) return one;
  const byText = new Map<string, Example>();
  for (const example of [...one, ...other]) byText.set(JSON.stringify(example), example);
  return [...byText]
    .toSorted(([text], [otherText]) => hashOf(text) - hashOf(otherText) || (text < otherText ? -1 : 1))
    .slice(0, memoryLimits.examples)
    .map(([, example]) => example);
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
