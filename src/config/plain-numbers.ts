/**
 * Numbers that this program itself reckons with, such as intervals and counts. A file may write them in
 * ways that JavaScript does not (`30.0`, `1e3`); everywhere else such a number keeps its text.
 */
import { ExactNumber } from "../model/json/exact-number.ts";
import { isJsonObject } from "../model/json/json.ts";
import { childNode, type SchemaNode } from "./schema-node.ts";

/** The value, with a JavaScript number wherever the schema wants a number. */
export function withPlainNumbers(node: SchemaNode, value: unknown): unknown {
  if (value instanceof ExactNumber) {
    const number = Number(value.text);
    return (node.type === "number" || node.type === "integer") && Number.isFinite(number) ? number : value;
  }
  if (Array.isArray(value)) return value.map((item, index) => withPlainNumbers(childNode(node, index), item));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [key, withPlainNumbers(childNode(node, key), child)]),
  );
}
