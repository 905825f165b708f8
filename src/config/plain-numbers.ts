/**
 * Converts numbers that the agent computes with, such as intervals and counts, to JavaScript numbers. A file
 * may write them as `30.0` or `1e3`; elsewhere such numbers keep their exact text.
 */
import { ExactNumber } from "../model/json/exact-number.ts";
import { isJsonObject } from "../model/json/json.ts";
import { childNode, type SchemaNode } from "./schema-node.ts";

/** The value, with a JavaScript number wherever the schema requires a number, and its text where it takes both. */
export function withPlainNumbers(node: SchemaNode, value: unknown): unknown {
  if (value instanceof ExactNumber) {
    if (node.takesNumbers === true) return value.text;
    const number = Number(value.text);
    return (node.type === "number" || node.type === "integer") && Number.isFinite(number) ? number : value;
  }
  if (Array.isArray(value)) return value.map((item, index) => withPlainNumbers(childNode(node, index), item));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [key, withPlainNumbers(childNode(node, key), child)]),
  );
}
