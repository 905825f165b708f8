/**
 * The conjuncts of a rule are the top-level conditions that must all hold for it to match. Each gives an index
 * equalities: whenever the conjunct holds, at least one of its equalities is true.
 *
 * `equals` gives one equality, `in` one per choice, `any` those of its parts if every part gives some, `all` the
 * smallest set that any of its parts gives. A conjunct is *implied* by its equalities if it holds exactly when one of
 * them does; an index that has looked them up need not evaluate it again.
 */
import type { ConditionNode } from "../conditions/condition.ts";
import type { Field } from "../conditions/predicate.ts";
import type { FieldPath } from "../paths/field-path.ts";
import { isJsonArray, isJsonScalar, lookupKey, type JsonScalar, type LookupKey } from "../json/json.ts";

/** The field at `path` equals `value`. */
export interface Equality {
  /** The path as text, for grouping. */
  readonly field: string;
  readonly path: FieldPath;
  /** The value's lookup key. */
  readonly value: LookupKey;
}

export interface Conjunct {
  readonly node: ConditionNode;
  /** Empty if it is of no use to an index. */
  readonly equalities: readonly Equality[];
  readonly isImplied: boolean;
  readonly cost: number;
}

const equalitiesMax = 64;

/** Cheapest first. */
export function conjunctsOf(root: ConditionNode): readonly Conjunct[] {
  const conjuncts = flattened(root).map(conjunctOf);
  // Sorting allocates even if there is nothing to sort, as with most rules.
  const areSorted = conjuncts.every(({ cost }, at) => cost <= (conjuncts[at + 1]?.cost ?? Infinity));
  return areSorted ? conjuncts : conjuncts.toSorted((one, other) => one.cost - other.cost);
}

function conjunctOf(node: ConditionNode): Conjunct {
  const { equalities, isImplied } = equalitiesOf(node);
  return { node, equalities, isImplied, cost: costOf(node) };
}

function flattened(node: ConditionNode): readonly ConditionNode[] {
  return node.kind === "all" ? node.parts.flatMap(flattened) : [node];
}

type Told = Pick<Conjunct, "equalities" | "isImplied">;

const nothing: Told = { equalities: [], isImplied: false };

function equalitiesOf(node: ConditionNode): Told {
  switch (node.kind) {
    case "predicate": {
      const { operator, operand } = node;
      if (operator === "equals" && isJsonScalar(operand)) return equalTo(node, [operand]);
      if (operator === "in" && isJsonArray(operand) && operand.every(isJsonScalar))
        return equalTo(node, operand);
      return nothing;
    }
    case "any": {
      const told = node.parts.map(equalitiesOf);
      if (told.some((part) => part.equalities.length === 0)) return nothing;
      const equalities = told.flatMap((part) => part.equalities);
      return equalities.length > equalitiesMax
        ? nothing
        : { equalities, isImplied: told.every((part) => part.isImplied) };
    }
    case "all": {
      const told = node.parts.map(equalitiesOf).filter((part) => part.equalities.length > 0);
      const [fewest] = told.toSorted((one, other) => one.equalities.length - other.equalities.length);
      return fewest === undefined
        ? nothing
        : { ...fewest, isImplied: fewest.isImplied && node.parts.length === 1 };
    }
    case "not":
      return nothing;
  }
}

function equalTo({ path, pathKey }: Field, values: readonly JsonScalar[]): Told {
  // An empty `in` never holds, so there is nothing to index.
  if (values.length === 0 || values.length > equalitiesMax) return nothing;
  return {
    equalities: distinct(values.map(lookupKey)).map((value) => ({ field: pathKey, path, value })),
    isImplied: true,
  };
}

function distinct(keys: readonly LookupKey[]): readonly LookupKey[] {
  return keys.length === 1 ? keys : [...new Set(keys)];
}

function costOf(node: ConditionNode): number {
  switch (node.kind) {
    case "predicate":
      return node.cost;
    case "all":
    case "any":
      return node.parts.reduce((sum, part) => sum + costOf(part), 100);
    case "not":
      return costOf(node.part) + 100;
  }
}
