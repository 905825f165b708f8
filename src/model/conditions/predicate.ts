/**
 * A predicate is a single comparison: a field, an operator and a value. Rules with the same comparison
 * share one predicate, which is evaluated at most once per event: it caches its result together with the
 * event's stamp.
 *
 * Thanks to this cache, matching allocates nothing per rule. It is sound because an event is matched
 * synchronously and stamps are never reused. Only the result is cached, so no event is kept alive.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { readPath, type FieldPath } from "../paths/field-path.ts";
import type { JsonObject, JsonValue } from "../json/json.ts";
import { canonicalText } from "../json/equality.ts";
import { operandProblem } from "./operand.ts";
import { operators, type OperatorName, type Test } from "./operators.ts";

export interface Predicate {
  /** Equal for predicates with the same meaning. */
  readonly key: string;
  readonly path: FieldPath;
  readonly operator: OperatorName;
  readonly operand: JsonValue | undefined;
  readonly test: Test;
  readonly holdsIfMissing: boolean;
  readonly cost: number;
  /** The last event it was evaluated for, and the result. */
  decidedAt: Stamp;
  isHeld: boolean;
}

/** Identifies an event while it is matched. */
export type Stamp = number;

// One counter per process, because rule sets of different revisions share predicates.
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

/** The distinct predicates of the rules that are compiled together. */
export class PredicateTable {
  readonly #byKey = new Map<string, Predicate>();

  /** Reuses a predicate that was compiled for an earlier revision. */
  adopt(predicate: Predicate): void {
    this.#byKey.set(predicate.key, predicate);
  }

  /** The predicate for this comparison, compiled if new; or what is wrong with the operand. */
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
