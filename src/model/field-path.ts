/**
 * Paths into JSON, as conditions and templates write them: `pull_request.labels[0].name`.
 *
 * A path is a list of names. A name finds an object's own property or an array's element by its index;
 * `items.0.name` and `items[0].name` are the same path. A name that holds a dot, a bracket or a quote
 * is written in brackets and quotes: `headers["content.type"]`. Nothing inherited is ever found:
 * `constructor`, `__proto__` and an array's `length` are missing unless the JSON itself has that key.
 */
import { invalid, valid, type Decoded } from "./decoded.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "./json.ts";

export type FieldPath = readonly string[];

const pathLengthMax = 1_024;
const namesMax = 32;

// A bare name stands at the start or after a dot; the other three forms are bracketed.
const segment =
  /(?:^|(?<!^)\.)(?<bare>[^.[\]]+)|\[(?<index>\d+)\]|\["(?<double>[^"]*)"\]|\['(?<single>[^']*)'\]/y;

export function parseFieldPath(text: string): Decoded<FieldPath> {
  if (text === "") return invalid("is empty");
  if (text.length > pathLengthMax) return invalid(`is longer than ${pathLengthMax} characters`);

  const names: string[] = [];
  segment.lastIndex = 0;
  for (let at = 0; at < text.length; at = segment.lastIndex) {
    const groups = segment.exec(text)?.groups;
    const name = groups?.["bare"] ?? groups?.["index"] ?? groups?.["double"] ?? groups?.["single"];
    if (name === undefined)
      return invalid(`"${text}" is not a path: no name can be read at character ${at + 1}`);
    names.push(name);
    if (names.length > namesMax) return invalid(`"${text}" goes more than ${namesMax} names deep`);
  }
  return valid(names);
}

/**
 * A condition's field: a path into the payload, with or without the word `payload` before it.
 * `payload` alone is the payload itself; a key of that name is `payload.payload`.
 */
export function parseConditionField(text: string): Decoded<FieldPath> {
  const path = parseFieldPath(text);
  if (path.kind === "invalid" || !/^payload(?:[.[]|$)/.test(text)) return path;
  return valid(path.value.slice(1));
}

/** The value at the path, or undefined when some name of it is missing. */
export function readPath(root: JsonValue, path: FieldPath): JsonValue | undefined {
  let value: JsonValue = root;
  for (const name of path) {
    const next: JsonValue | undefined = isJsonArray(value) ? elementOf(value, name) : memberOf(value, name);
    if (next === undefined) return undefined;
    value = next;
  }
  return value;
}

function elementOf(array: readonly JsonValue[], name: string): JsonValue | undefined {
  const index = Number(name);
  // As an index is written: not 01, not 1.0, not "length".
  return String(index) === name ? array[index] : undefined;
}

function memberOf(value: JsonValue, name: string): JsonValue | undefined {
  return isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}
