/**
 * Converts a YAML document to JSON, keeping all digits of numbers and refusing what JSON cannot represent.
 *
 * The library's own conversion silently changes values: long numbers lose digits, `.inf` and `.nan` become
 * null in JSON, `!!binary` becomes an object of bytes, and an alias of its own ancestor a cycle.
 */
import { isAlias, isMap, isPair, isScalar, isSeq, type Document, type Scalar } from "yaml";
import { jsonNumber } from "../model/json/exact-number.ts";
import { isWithinDigits, jsonDepthMax, numberDigitsMax } from "../model/json/json-text.ts";
import type { JsonValue } from "../model/json/json.ts";

export type Path = readonly (string | number)[];

export interface ValueProblem {
  readonly path: Path;
  /** Position of the unusable node, in characters from the start of the text. */
  readonly offset: number;
  readonly reason: string;
}

export type YamlValue =
  | { readonly kind: "value"; readonly value: JsonValue }
  | { readonly kind: "unusable"; readonly problems: readonly ValueProblem[] };

/** A few lines of aliases can expand to gigabytes. */
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
  /** Number of values read so far through aliases. */
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
      `is a !!${node.tag.slice("tag:yaml.org,2002:".length)}, which JSON does not support`,
      reading,
    );
  if (path.length >= jsonDepthMax)
    return refuse(node, path, `is nested more than ${jsonDepthMax} levels deep`, reading);

  reading.ancestors.add(node);
  const value = isSeq(node)
    ? node.items.map((item, index) => read(item, [...path, index], reading))
    : // fromEntries defines even a key called __proto__; assignment would set the prototype instead.
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
    return refuse(node, path, "is an undefined alias; put a string that begins with * in quotes", reading);
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
        return refuse(node, path, `is ${nameOf(value)}, which JSON cannot represent`, reading);
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
        "is binary or a timestamp, which JSON does not support; write it as a string in quotes",
        reading,
      );
  }
}

/** Does not quote the source, which may be a secret that only looks like a number. */
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
 * Converts a YAML 1.2 number (section 10.3.2) to JSON; undefined for anything else, such as infinities and
 * numbers of older YAML versions.
 */
function numberText(source: string): string | undefined {
  if (otherBase.test(source)) return String(BigInt(source));
  const [, sign, whole, fraction = "", exponent = ""] = decimal.exec(source) ?? [];
  if (whole === undefined || !/\d/.test(source)) return undefined;
  const point = fraction === "" ? "" : `.${fraction}`;
  return `${sign === "-" ? "-" : ""}${whole === "" ? "0" : whole}${point}${exponent}`;
}
