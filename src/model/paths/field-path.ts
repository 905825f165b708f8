/**
 * Paths into JSON, such as `pull_request.labels[0].name`. payload-path.ts describes the form that conditions
 * and templates use.
 *
 * A path is a list of names. A name selects an object's own property or an array's element by index;
 * `items.0.name` and `items[0].name` are the same path. A name that contains a dot, a bracket or a quote
 * is written in brackets and quotes: `headers["content.type"]`. Inherited properties are never found:
 * `constructor`, `__proto__` and an array's `length` are missing unless the JSON itself has that key.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { ExactNumber } from "../json/exact-number.ts";
import { isJsonArray, type JsonObject, type JsonValue } from "../json/json.ts";

export type FieldPath = readonly string[];

/** One name of a path, and how it is written: `bare`, `[0]` or `["quoted"]`. */
export interface Segment {
  readonly name: string;
  readonly form: "bare" | "index" | "quoted";
}

export const pathLengthMax = 1_024;
const namesMax = 32;

// A bare name comes first or after a dot; the other three forms are bracketed.
const segment =
  /(?:^|(?<!^)\.)(?<bare>[^.[\]]+)|\[(?<index>\d+)\]|\["(?<double>[^"]*)"\]|\['(?<single>[^']*)'\]/y;

export function parseFieldPath(text: string): Decoded<FieldPath> {
  const segments = parseSegments(text);
  return segments.kind === "invalid" ? segments : valid(segments.value.map(({ name }) => name));
}

export function parseSegments(text: string): Decoded<readonly Segment[]> {
  if (text === "") return invalid("is empty");
  if (text.length > pathLengthMax) return invalid(`is longer than ${pathLengthMax} characters`);

  const segments: Segment[] = [];
  segment.lastIndex = 0;
  for (let at = 0; at < text.length; at = segment.lastIndex) {
    const groups = segment.exec(text)?.groups;
    if (groups === undefined)
      return invalid(`"${text}" is not a path: no name can be read at character ${at + 1}`);
    const { bare, index, double, single } = groups;
    if (bare !== undefined) segments.push({ name: bare, form: "bare" });
    else if (index !== undefined) segments.push({ name: index, form: "index" });
    else segments.push({ name: double ?? single ?? "", form: "quoted" });
    if (segments.length > namesMax) return invalid(`"${text}" goes more than ${namesMax} names deep`);
  }
  return valid(segments);
}

/** The path as text, ready to paste; undefined if a name cannot be written. */
export function writeFieldPath(path: FieldPath): string | undefined {
  const written = path.map((name, index) => {
    if (/^(?:0|[1-9]\d*)$/.test(name)) return `[${name}]`;
    if (/^[\p{L}\p{N}_-]+$/u.test(name)) return index === 0 ? name : `.${name}`;
    if (!name.includes('"')) return `["${name}"]`;
    return name.includes("'") ? undefined : `['${name}']`;
  });
  return written.includes(undefined) ? undefined : written.join("");
}

/** The value at the path; undefined if it is missing. */
export function readPath(root: JsonValue, path: FieldPath): JsonValue | undefined {
  let value = root;
  for (const name of path) {
    if (typeof value !== "object" || value === null || value instanceof ExactNumber) return undefined;
    const next = isJsonArray(value) ? elementOf(value, name) : memberOf(value, name);
    if (next === undefined) return undefined;
    value = next;
  }
  return value;
}

function elementOf(array: readonly JsonValue[], name: string): JsonValue | undefined {
  const index = Number(name);
  // Accepts only the canonical form of an index: not 01, not 1.0, not "length".
  return String(index) === name ? array[index] : undefined;
}

/** Reads the member before checking that it is not inherited, which costs less than Object.hasOwn. */
function memberOf(object: JsonObject, name: string): JsonValue | undefined {
  const member = object[name];
  // JSON objects inherit only functions and, as `__proto__`, the prototype itself.
  return typeof member === "function" || member === Object.prototype ? undefined : member;
}
