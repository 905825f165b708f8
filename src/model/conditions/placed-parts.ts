import { isJsonArray, isJsonObject, type JsonValue } from "../json/json.ts";
import type { Place } from "../placed-problem.ts";
import type { ConditionNode } from "./condition.ts";

/** A compiled condition with its place and its text in the rule. */
export interface PlacedCondition {
  readonly node: ConditionNode;
  readonly json: JsonValue;
  readonly place: Place;
}

/** The conditions inside a combination, in the order in which they are written; none inside a comparison. */
export function partsOf({ node, json, place }: PlacedCondition): readonly PlacedCondition[] {
  switch (node.kind) {
    case "predicate":
      return [];
    case "not":
      return [{ node: node.part, json: memberOf(json, "not"), place: [...place, "not"] }];
    case "all":
    case "any": {
      // A list means `all`.
      const inner = isJsonArray(json) ? json : memberOf(json, node.kind);
      const innerPlace = isJsonArray(json) ? place : [...place, node.kind];
      return node.parts.map((part, index) => ({
        node: part,
        json: isJsonArray(inner) ? (inner[index] ?? null) : null,
        place: [...innerPlace, index],
      }));
    }
  }
}

function memberOf(json: JsonValue, name: string): JsonValue {
  return isJsonObject(json) ? (json[name] ?? null) : null;
}
