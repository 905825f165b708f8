/** Why a path finds nothing in a payload: where it breaks, and what may have been meant. */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";
import { readPath, type FieldPath } from "../paths/field-path.ts";
import { counted } from "../texts/counted.ts";
import { nearestName } from "../texts/nearest-name.ts";
import { fieldText, typedText } from "./value-text.ts";

/** As a clause; undefined if nothing looks like a mistake. */
export function absenceHint(path: FieldPath, payload: JsonObject): string | undefined {
  let parent: JsonValue = payload;
  for (const [depth, name] of path.entries()) {
    const next = readPath(parent, [name]);
    if (next === undefined) return breakHint(path, depth, parent, payload);
    parent = next;
  }
  return undefined;
}

function breakHint(
  path: FieldPath,
  depth: number,
  parent: JsonValue,
  payload: JsonObject,
): string | undefined {
  const before = path.slice(0, depth);
  const after = path.slice(depth + 1);
  const name = path[depth] ?? "";
  if (isJsonArray(parent)) {
    const count = counted(parent.length, "element");
    const where = fieldText(before);
    if (/^\d+$/.test(name)) return `${where} has ${count}, counted from 0`;
    return `${where} is a list of ${count}; name one of them, like ${fieldText([...before, "0", name, ...after])}`;
  }
  if (!isJsonObject(parent)) return `${fieldText(before)} is ${typedText(parent)}, which has no fields`;
  const near = likelyName(name, Object.keys(parent));
  if (near !== undefined) {
    const meant = [...before, near, ...after];
    return `did you mean ${fieldText(readPath(payload, meant) === undefined ? [...before, near] : meant)}?`;
  }
  const elsewhere = findName(path.at(-1) ?? "", payload);
  return elsewhere === undefined ? undefined : `the payload has ${fieldText(elsewhere)}`;
}

/** The name that was probably meant: the same in another case or spelling, or almost the same. */
function likelyName(name: string, names: readonly string[]): string | undefined {
  const folded = fold(name);
  return names.find((each) => fold(each) === folded) ?? nearestName(name, names.slice(0, namesMax));
}

function fold(name: string): string {
  return name.toLowerCase().replaceAll(/[_\s-]/g, "");
}

const namesMax = 200;
const nodesMax = 2_000;

/** The shortest path that ends in a field of that name, among the first nodes of the payload. */
function findName(name: string, payload: JsonObject): FieldPath | undefined {
  const waiting: { readonly value: JsonValue; readonly path: FieldPath }[] = [{ value: payload, path: [] }];
  for (let at = 0; at < waiting.length && at < nodesMax; at += 1) {
    const { value, path } = waiting[at] ?? { value: null, path: [] };
    if (isJsonObject(value) && Object.hasOwn(value, name)) return [...path, name];
    if (!isJsonObject(value) && !isJsonArray(value)) continue;
    for (const [key, member] of Object.entries<JsonValue>(value)) {
      if (waiting.length >= nodesMax) break;
      waiting.push({ value: member, path: [...path, key] });
    }
  }
  return undefined;
}
