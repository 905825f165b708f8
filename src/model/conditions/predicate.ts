/**
 * A predicate is one condition without its surroundings: a field, an operator and a value. Rules that
 * say the same thing share one predicate, and while an event is matched each predicate is decided at
 * most once: it remembers its answer together with the stamp of the event.
 *
 * That memory is why matching allocates nothing per rule. It is sound because matching one event is
 * synchronous and a stamp is never given twice. It holds an answer, not the event, so nothing of an
 * event is kept alive by it.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { readPath, type FieldPath } from "../paths/field-path.ts";
import type { JsonObject, JsonValue } from "../json/json.ts";
import { canonicalText } from "../json/equality.ts";
import { operandProblem } from "./operand.ts";
import { operators, type OperatorName, type Test } from "./operators.ts";

export interface Predicate {
  /** Equal for predicates that say the same. */
  readonly key: string;
  readonly path: FieldPath;
  readonly operator: OperatorName;
  readonly operand: JsonValue | undefined;
  readonly test: Test;
  readonly holdsIfMissing: boolean;
  readonly cost: number;
  /** The last event it was decided for, and how. */
  decidedAt: Stamp;
  isHeld: boolean;
}

/** Names one event while it is matched. */
export type Stamp = number;

// One counter for the process: rule sets of different revisions share predicates.
let stampLast: Stamp = 0;

export function nextStamp(): Stamp {
  stampLast += 1;
  return stampLast;
}

export function decide(predicate: Predicate, payload: JsonObject, stamp: Stamp): boolean {
  if (predicate.decidedAt === stamp) return predicate.isHeld;
  const value = readPath(payload, predicate.path);
  const isHeld = value === undefined ? predicate.holdsIfMissing : predicate.test(value);
  predicate.decidedAt = stamp;
  predicate.isHeld = isHeld;
  return isHeld;
}

/** The predicates of the rules compiled together, each there once. */
export class PredicateTable {
  readonly #byKey = new Map<string, Predicate>();

  /** Takes over a predicate that was compiled for an earlier revision. */
  adopt(predicate: Predicate): void {
    this.#byKey.set(predicate.key, predicate);
  }

  /** The predicate that says this, compiled if it is new; or what is wrong with the operand. */
  predicate(path: FieldPath, name: OperatorName, operand: JsonValue | undefined): Decoded<Predicate> {
    const problem = operand === undefined ? undefined : operandProblem(operand);
    if (problem !== undefined) return invalid(problem);
    const key = `${canonicalText(path)} ${name} ${operand === undefined ? "" : canonicalText(operand)}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return valid(known);

    const operator = operators[name];
    const compiled = operator.compile(operand);
    if (compiled.kind === "invalid") return compiled;
    const { holdsIfMissing, cost } = operator;
    const predicate: Predicate = {
      key,
      path,
      operator: name,
      operand,
      test: compiled.value,
      holdsIfMissing,
      cost: cost + path.length / 100,
      decidedAt: 0,
      isHeld: false,
    };
    this.#byKey.set(key, predicate);
    return valid(predicate);
  }
}
