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
import { parsePayloadPath, payloadPathDoubt } from "../paths/payload-path.ts";
import {
  isJsonArray,
  isJsonScalar,
  lookupKey,
  type JsonObject,
  type JsonValue,
  type LookupKey,
} from "../json/json.ts";
import { canonicalText } from "../json/equality.ts";
import { operandProblem } from "./operand.ts";
import { operators, type OperatorName, type Test } from "./operators.ts";

/** Two in one table have the same meaning only if they are one. An agent has one for most of its rules, so each field counts. */
export interface Predicate {
  readonly kind: "predicate";
  readonly path: FieldPath;
  /** Equal for equal paths. */
  readonly pathKey: string;
  readonly operator: OperatorName;
  readonly operand: JsonValue | undefined;
  readonly test: Test;
  readonly holdsIfMissing: boolean;
  /** An integer, for which V8 needs no object of its own. */
  readonly cost: number;
  /** The last event it was evaluated for, and the result. */
  decidedAt: Stamp;
  isHeld: boolean;
  /** How many comparisons of rules use it. */
  uses: number;
}

/** A field of the payload. */
export interface Field {
  readonly path: FieldPath;
  /** Equal for equal paths. */
  readonly pathKey: string;
}

/** A field as conditions write it. */
export interface KnownField extends Field {
  /** Why it is probably not what its author meant. */
  readonly doubt: string | undefined;
}

const fieldsMax = 4_096;

/** Every value for which the predicate holds, if it lists them. */
export function valuesOf({
  operator,
  operand,
}: Pick<Predicate, "operator" | "operand">): readonly JsonValue[] | undefined {
  if (operand === undefined) return undefined;
  if (operator === "equals") return [operand];
  return operator === "in" && isJsonArray(operand) ? operand : undefined;
}

/** Identifies an event while it is matched. */
export type Stamp = number;

// One counter per process, because successive rule sets share predicates.
let stampLast: Stamp = 0;

export function nextStamp(): Stamp {
  stampLast += 1;
  return stampLast;
}

export function decide(predicate: Predicate, payload: JsonObject, stamp: Stamp): boolean {
  if (predicate.decidedAt === stamp) return predicate.isHeld;
  const value = readPath(payload, predicate.path);
  const isHeld = value === undefined ? predicate.holdsIfMissing : holdsFor(predicate, value);
  predicate.decidedAt = stamp;
  predicate.isHeld = isHeld;
  return isHeld;
}

/** Whether it holds for this value of its field. */
export function holdsFor(predicate: Predicate, value: JsonValue): boolean {
  return predicate.test(value, predicate.operand);
}

/**
 * The distinct predicates of the rules that are matched together.
 *
 * Once a rule is compiled, its predicates are kept, or none of them if it is unusable; when it is no longer used, they are
 * released. A predicate that no rule uses is forgotten.
 */
export class PredicateTable {
  readonly #groups = new Map<string, Map<LookupKey, Predicate>>();
  readonly #fields = new Map<string, Decoded<KnownField>>();
  /** Compiled since the last `keep`. */
  readonly #unused: Predicate[] = [];
  #size = 0;

  keep(predicates: readonly Predicate[]): void {
    for (const predicate of predicates) predicate.uses += 1;
    for (const predicate of this.#unused) if (predicate.uses === 0) this.#forget(predicate);
    this.#unused.length = 0;
  }

  release(predicates: readonly Predicate[]): void {
    for (const predicate of predicates) {
      predicate.uses -= 1;
      if (predicate.uses === 0) this.#forget(predicate);
    }
  }

  /** Decodes a field, once for all comparisons that write it in the same way. */
  field(text: string): Decoded<KnownField> {
    const known = this.#fields.get(text);
    if (known !== undefined) return known;
    const path = parsePayloadPath(text);
    const field =
      path.kind === "invalid"
        ? path
        : valid({ path: path.value, pathKey: canonicalText(path.value), doubt: payloadPathDoubt(text) });
    if (this.#fields.size >= fieldsMax) this.#fields.clear();
    this.#fields.set(text, field);
    return field;
  }

  get size(): number {
    return this.#size;
  }

  /** The predicate for this comparison, compiled if new; or what is wrong with the operand. */
  predicate(
    { path, pathKey }: Field,
    name: OperatorName,
    operand: JsonValue | undefined,
  ): Decoded<Predicate> {
    const problem = operand === undefined ? undefined : operandProblem(operand);
    if (problem !== undefined) return invalid(problem);
    const groupKey = groupOf(pathKey, name, operand);
    const operandKey = keyOf(operand);
    const known = this.#groups.get(groupKey)?.get(operandKey);
    if (known !== undefined) return valid(known);

    const operator = operators[name];
    const compiled = operator.compile(operand);
    if (compiled.kind === "invalid") return compiled;
    const { holdsIfMissing, cost } = operator;
    const predicate: Predicate = {
      kind: "predicate",
      path,
      pathKey,
      operator: name,
      operand,
      test: compiled.value,
      holdsIfMissing,
      cost: 100 * cost + path.length,
      decidedAt: 0,
      isHeld: false,
      uses: 0,
    };
    this.#groups.getOrInsertComputed(groupKey, () => new Map()).set(operandKey, predicate);
    this.#size += 1;
    this.#unused.push(predicate);
    return valid(predicate);
  }

  #forget({ pathKey, operator, operand }: Predicate): void {
    const groupKey = groupOf(pathKey, operator, operand);
    const group = this.#groups.get(groupKey);
    if (group?.delete(keyOf(operand)) !== true) return;
    this.#size -= 1;
    if (group.size === 0) this.#groups.delete(groupKey);
  }
}

/** Comparisons that differ in their operand only, if at all. An operand's kind is part of it, so that keys are unambiguous. */
function groupOf(pathKey: string, operator: OperatorName, operand: JsonValue | undefined): string {
  const kind = operand === undefined ? "without" : isJsonScalar(operand) ? "scalar" : "structure";
  return `${pathKey} ${operator} ${kind}`;
}

/** A scalar is its own key, which needs no text. */
function keyOf(operand: JsonValue | undefined): LookupKey {
  if (operand === undefined) return null;
  return isJsonScalar(operand) ? lookupKey(operand) : canonicalText(operand);
}
