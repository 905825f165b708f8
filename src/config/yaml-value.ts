/**
 * What a YAML document says, as JSON: with every digit of its numbers, and nothing that JSON cannot carry.
 *
 * The library's own conversion changes values without a word: long numbers lose digits, `.inf` and `.nan`
 * become null in JSON, `!!binary` an object of bytes, and an alias of its own ancestor a cycle.
 */
import { isAlias, isMap, isPair, isScalar, isSeq, type Document, type Scalar } from "yaml";
import { jsonNumber } from "../model/json/exact-number.ts";
import { isWithinDigits, jsonDepthMax, numberDigitsMax } from "../model/json/json-text.ts";
import type { JsonValue } from "../model/json/json.ts";

export type Path = readonly (string | number)[];

export interface ValueProblem {
  readonly path: Path;
  /** Of the node that cannot be used, in characters from the text's start. */
  readonly offset: number;
  readonly reason: string;
}

export type YamlValue =
  | { readonly kind: "value"; readonly value: JsonValue }
  | { readonly kind: "unusable"; readonly problems: readonly ValueProblem[] };

/** A few lines of aliases can stand for gigabytes. */
const aliasedValuesMax = 10_000;
const problemsMax = 20;

export function valueOf(document: Document): YamlValue {
  const reading: Reading = { document, ancestors: new Set(), problems: [], aliased: 0, isAliased: false };
  const value = read(document.contents, [], reading);
  return reading.problems.length === 0
    ? { kind: "value", value }
    : { kind: "unusable", problems: reading.problems };
}

interface Reading {
  readonly document: Document;
  readonly ancestors: Set<unknown>;
  readonly problems: ValueProblem[];
  /** Values read so far that stand elsewhere in the text. */
  aliased: number;
  isAliased: boolean;
}

function read(node: unknown, path: Path, reading: Reading): JsonValue {
  if (reading.problems.length >= problemsMax || reading.aliased > aliasedValuesMax) return null;
  if (reading.isAliased) reading.aliased += 1;
  if (reading.aliased > aliasedValuesMax)
    return refuse(node, path, `uses aliases for more than ${aliasedValuesMax} values`, reading);
  if (isScalar(node)) return readScalar(node, path, reading);
  if (isAlias(node)) return readAlias(node, path, reading);
  if (!isMap(node) && !isSeq(node)) return null;
  if (node.tag !== undefined && !/:(?:map|seq)$/.test(node.tag) && node.tag.startsWith("tag:yaml.org,2002:"))
    return refuse(
      node,
      path,
      `is a !!${node.tag.slice("tag:yaml.org,2002:".length)}, which JSON does not have`,
      reading,
    );
  if (path.length >= jsonDepthMax)
    return refuse(node, path, `is nested more than ${jsonDepthMax} levels deep`, reading);

  reading.ancestors.add(node);
  const value = isSeq(node)
    ? node.items.map((item, index) => read(item, [...path, index], reading))
    : // fromEntries defines each key, also one called __proto__, where assignment would set the prototype.
      Object.fromEntries(
        node.items.map((pair) => {
          const key = keyText(pair.key);
          return [key, read(pair.value, [...path, key], reading)];
        }),
      );
  reading.ancestors.delete(node);
  return value;
}

function readAlias(node: unknown, path: Path, reading: Reading): JsonValue {
  const source = isAlias(node) ? node.resolve(reading.document) : undefined;
  if (source === undefined) {
    return refuse(node, path, "is an alias of nothing; put a text that begins with * in quotes", reading);
  }
  if (reading.ancestors.has(source)) return refuse(node, path, "contains itself", reading);
  const wasAliased = reading.isAliased;
  reading.isAliased = true;
  const value = read(source, path, reading);
  reading.isAliased = wasAliased;
  return value;
}

function readScalar(node: Scalar, path: Path, reading: Reading): JsonValue {
  const { value, source } = node;
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "bigint":
      return jsonNumber(String(value));
    case "number": {
      const text = numberText(source ?? "");
      if (text === undefined && !Number.isFinite(value))
        return refuse(node, path, `is ${nameOf(value)}, which JSON cannot carry`, reading);
      if (text === undefined) return value;
      if (isWithinDigits(text)) return jsonNumber(text);
      return refuse(
        node,
        path,
        `has more than ${numberDigitsMax} digits before or after the decimal point; put it in quotes if it is text`,
        reading,
      );
    }
    default:
      if (value === null || value === undefined) return null;
      return refuse(
        node,
        path,
        "is bytes or a time, which JSON does not have; write it as text in quotes",
        reading,
      );
  }
}

/** Not as it is written: that may be a secret that only looks like a number. */
function nameOf(value: number): string {
  return Number.isNaN(value) ? "not a number (.nan)" : "an infinite number (.inf)";
}

function refuse(node: unknown, path: Path, reason: string, { problems }: Reading): null {
  const range = isScalar(node) || isAlias(node) || isMap(node) || isSeq(node) ? node.range : undefined;
  problems.push({ path, offset: range?.[0] ?? 0, reason });
  return null;
}

export function keyText(key: unknown): string {
  if (isPair(key)) return keyText(key.key);
  if (!isScalar(key)) return "";
  return typeof key.value === "string" ? key.value : (key.source ?? "");
}

const decimal = /^([+-]?)0*(\d*)(?:\.(\d*))?([eE][+-]?\d+)?$/;
const otherBase = /^0[xo][0-9a-fA-F]+$/;

/**
 * A number as YAML 1.2 writes it (section 10.3.2), as JSON writes it; undefined for all others, such as
 * infinities and what an older version of YAML calls a number.
 */
function numberText(source: string): string | undefined {
  if (otherBase.test(source)) return String(BigInt(source));
  const [, sign, whole, fraction = "", exponent = ""] = decimal.exec(source) ?? [];
  if (whole === undefined || !/\d/.test(source)) return undefined;
  const point = fraction === "" ? "" : `.${fraction}`;
  return `${sign === "-" ? "-" : ""}${whole === "" ? "0" : whole}${point}${exponent}`;
}
