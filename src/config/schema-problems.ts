/**
 * Describes, for its author, how a value violates its schema. Finds all problems at once, one per place.
 */
import type { TSchema } from "typebox";
import { Settings } from "typebox/system";
import { Value } from "typebox/value";
import { isJsonObject } from "../model/json/json.ts";
import { nearestName } from "../model/texts/nearest-name.ts";
import { redactUrls } from "../model/texts/redaction.ts";
import { childOf } from "./nested-values.ts";
import { childNode, expectation, isOpen, type SchemaNode } from "./schema-node.ts";
import type { Path } from "./yaml-source.ts";

// The library stops at eight by default, but all errors should be correctable in one go.
Settings.Set({ maxErrors: 10_000 });

export interface Problem {
  readonly path: Path;
  readonly reason: string;
}

export interface UnknownKey extends Problem {
  /** The known key that was probably meant. */
  readonly nearest: string | undefined;
}

export function schemaProblems(schema: TSchema, value: unknown): readonly Problem[] {
  const problems = new Map<string, Problem>();
  const add = (problem: Problem): void => {
    // Several keywords may fail at one place; one sentence describes everything expected there.
    const place = JSON.stringify(problem.path);
    if (!problems.has(place)) problems.set(place, problem);
  };
  for (const { keyword, instancePath, params } of Value.Errors(schema, value)) {
    const { path, node, found } = resolve(schema, value, instancePath);
    if (keyword !== "required") add({ path, reason: complaint(node, found) });
    else params.requiredProperties.forEach((key) => add({ path: [...path, key], reason: "is required" }));
  }
  return [...problems.values()];
}

export function unknownKeys(node: SchemaNode, value: unknown, path: Path = []): readonly UnknownKey[] {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => unknownKeys(childNode(node, index), item, [...path, index]));
  }
  if (!isJsonObject(value) || node.type !== "object") return [];
  return Object.entries(value).flatMap(([key, child]) => {
    if (isOpen(node) || Object.hasOwn(node.properties ?? {}, key)) {
      return unknownKeys(childNode(node, key), child, [...path, key]);
    }
    const nearest = nearestName(key, Object.keys(node.properties ?? {}));
    const hint = nearest === undefined ? "" : `; did you mean ${[...path, nearest].join(".")}?`;
    return [{ path: [...path, key], reason: `is not a known key${hint}`, nearest }];
  });
}

/**
 * The key for people. Only parts that look like names are shown, because YAML also reads `jwt_secret=…` as a key.
 */
export function keyText(path: Path): string {
  return path
    .map((part) => (/^[\w./-]{1,64}$/.test(String(part)) ? part : "(a key that is not a name)"))
    .join(".");
}

function complaint(node: SchemaNode, found: unknown): string {
  if (found === "" && node.type === "string" && node.expects === undefined && node.enum === undefined)
    return "must not be empty";
  const wanted = `must be ${expectation(node)}`;
  if (mayBeSecret(node) || found === undefined) return wanted;
  const shown = redactUrls(JSON.stringify(found));
  return `${wanted}, not ${shown.length > 60 ? `${shown.slice(0, 60)}…` : shown}`;
}

/** A string in place of a mapping with a secret may contain it: without a space, `jwt_secret:…` is a string. */
function mayBeSecret(node: SchemaNode): boolean {
  return node.writeOnly === true || Object.values(node.properties ?? {}).some(mayBeSecret);
}

function resolve(schema: TSchema, value: unknown, pointer: string) {
  const path: (string | number)[] = [];
  let node: SchemaNode = schema;
  let found = value;
  for (const part of pointer.split("/").slice(1)) {
    const key = Array.isArray(found) ? Number(part) : part.replaceAll("~1", "/").replaceAll("~0", "~");
    path.push(key);
    node = childNode(node, key);
    found = childOf(found, key);
  }
  return { path, node, found };
}
