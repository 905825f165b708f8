/**
 * What a trigger's out_schema (JSON Schema) says about one field of its payloads. Whatever the schema leaves open, or says with
 * keywords that are not read here, counts as open: nothing is concluded from it.
 */
import {
  isJsonArray,
  isJsonObject,
  listOf,
  type JsonObject,
  type JsonType,
  type JsonValue,
} from "../json/json.ts";
import { isJsonNumber, type JsonNumber } from "../json/exact-number.ts";
import type { FieldPath } from "../paths/field-path.ts";
import { nearestField } from "../texts/nearest-name.ts";

export type FieldFacts =
  | {
      readonly kind: "open";
      /** The schema says nothing about the field. Otherwise it may declare it in ways that are not read here. */
      readonly isSilent: boolean;
    }
  | {
      readonly kind: "undeclared";
      /** The path up to the name that is not declared. */
      readonly path: FieldPath;
      /** A declared name that was probably meant. */
      readonly nearest: FieldPath | undefined;
    }
  /** The path goes on below a value that has no fields. */
  | { readonly kind: "too-deep"; readonly path: FieldPath; readonly types: ReadonlySet<JsonType> }
  | KnownField;

export interface KnownField {
  readonly kind: "known";
  /** Undefined: any. */
  readonly types: ReadonlySet<JsonType> | undefined;
  /** Every possible value; undefined if the schema does not list them. */
  readonly values: readonly JsonValue[] | undefined;
  readonly minimum: Bound | undefined;
  readonly maximum: Bound | undefined;
  /** Every payload has it. */
  readonly isRequired: boolean;
  /** What the elements of a list are, if all are alike. */
  readonly items: JsonObject | undefined;
}

export interface Bound {
  readonly value: JsonNumber;
  /** The field may have that value itself. */
  readonly isInclusive: boolean;
}

/** Keywords that may change what a field can be in ways that are not read here. */
const openKeywords = [
  "$ref",
  "allOf",
  "anyOf",
  "oneOf",
  "not",
  "if",
  "patternProperties",
  "dependentSchemas",
];

const unsaid: FieldFacts = { kind: "open", isSilent: true };
const declaredElsewhere: FieldFacts = { kind: "open", isSilent: false };

export function fieldFacts(schema: JsonObject, path: FieldPath): FieldFacts {
  let node = schema;
  let isRequired = true;
  for (const [depth, name] of path.entries()) {
    if (openKeywords.some((keyword) => Object.hasOwn(node, keyword))) return declaredElsewhere;
    const types = typesOf(node);
    const isIndex = /^(?:0|[1-9]\d*)$/.test(name);
    if (types?.has("array") === true && (types.size === 1 || isIndex)) {
      const { items } = node;
      if (!isIndex || !isJsonObject(items)) return unsaid;
      isRequired = false;
      node = items;
      continue;
    }
    if (types !== undefined && !types.has("object"))
      return { kind: "too-deep", path: path.slice(0, depth), types };
    const properties = isJsonObject(node["properties"]) ? node["properties"] : undefined;
    if (properties === undefined)
      return isJsonObject(node["additionalProperties"]) ? declaredElsewhere : unsaid;
    const next = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (next === undefined) return undeclared(node, properties, path, depth);
    if (!isJsonObject(next)) return declaredElsewhere;
    isRequired &&= (types === undefined || types.size === 1) && namesIn(node["required"]).includes(name);
    node = next;
  }
  if (openKeywords.some((keyword) => Object.hasOwn(node, keyword))) return declaredElsewhere;
  return { ...known(node), isRequired };
}

function undeclared(node: JsonObject, properties: JsonObject, path: FieldPath, depth: number): FieldFacts {
  const { additionalProperties } = node;
  // True or a schema says that there are more fields than those listed.
  if (isJsonObject(additionalProperties)) return declaredElsewhere;
  if (additionalProperties !== undefined && additionalProperties !== false) return unsaid;
  const names = Object.keys(properties);
  if (names.length === 0 && additionalProperties !== false) return unsaid;
  const nearest = nearestField(path[depth] ?? "", names);
  return {
    kind: "undeclared",
    path: path.slice(0, depth + 1),
    nearest: nearest === undefined ? undefined : [...path.slice(0, depth), nearest, ...path.slice(depth + 1)],
  };
}

function known(node: JsonObject): Omit<KnownField, "isRequired"> {
  const { items } = node;
  const types = typesOf(node);
  return {
    kind: "known",
    types,
    values: valuesOf(node, types),
    minimum: boundOf(node, "minimum", "exclusiveMinimum"),
    maximum: boundOf(node, "maximum", "exclusiveMaximum"),
    items: isJsonObject(items) ? items : undefined,
  };
}

const types: readonly JsonType[] = ["string", "number", "boolean", "null", "object", "array"];

/** @returns undefined if it may be any */
export function typesOf({ type }: JsonObject): ReadonlySet<JsonType> | undefined {
  const written: readonly JsonValue[] = isJsonArray(type ?? null) ? listOf(type) : [type ?? null];
  const found = written.flatMap((each) => {
    const name = each === "integer" ? "number" : types.find((one) => one === each);
    return name === undefined ? [] : [name];
  });
  return found.length === 0 || found.length < written.length ? undefined : new Set(found);
}

function valuesOf(
  node: JsonObject,
  fieldTypes: ReadonlySet<JsonType> | undefined,
): readonly JsonValue[] | undefined {
  if (Object.hasOwn(node, "const")) return [node["const"] ?? null];
  if (isJsonArray(node["enum"] ?? null)) return listOf(node["enum"]);
  if (fieldTypes === undefined) return undefined;
  const listed = [...fieldTypes].map((type) =>
    type === "boolean" ? [true, false] : type === "null" ? [null] : undefined,
  );
  return listed.every((values) => values !== undefined) ? listed.flat() : undefined;
}

function boundOf(node: JsonObject, inclusive: string, exclusive: string): Bound | undefined {
  const [within, beyond] = [node[inclusive], node[exclusive]];
  if (isJsonNumber(beyond)) return { value: beyond, isInclusive: false };
  // Draft 4 has a flag instead of a number.
  return isJsonNumber(within) ? { value: within, isInclusive: beyond !== true } : undefined;
}

function namesIn(value: JsonValue | undefined): readonly string[] {
  return listOf(value).filter((each) => typeof each === "string");
}
