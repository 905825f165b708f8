/**
 * Finds what is probably wrong with a valid rule: conditions that can never or always hold by the trigger's out_schema, fields that
 * it does not declare, conditions without effect, patterns that cannot match, and templates that read paths that no
 * payload has. With a memory of payloads, it also finds paths that neither the schema nor any payload has.
 */
import type { Predicate } from "../conditions/predicate.ts";
import { compileConditions } from "../conditions/condition.ts";
import { implies } from "../conditions/implication.ts";
import { partsOf, type PlacedCondition } from "../conditions/placed-parts.ts";
import { PredicateTable } from "../conditions/predicate.ts";
import { type JsonObject, type JsonType, type JsonValue } from "../json/json.ts";
import { writeFieldPath, type FieldPath } from "../paths/field-path.ts";
import { placeText, type Place, type PlacedProblem } from "../placed-problem.ts";
import { templatePaths } from "../templates/template.ts";
import { isSeen, unseenField, type SeenFields } from "../schema-memory/seen-fields.ts";
import { counted } from "../texts/counted.ts";
import { nearestName } from "../texts/nearest-name.ts";
import { impossibleChoices, judgeComparison } from "./judge-comparison.ts";
import { fieldFacts, type KnownField } from "./payload-schema.ts";

export interface LintedRule {
  readonly conditions: JsonValue;
  readonly actionParams: JsonObject;
}

/** What is probably wrong. The reason ends with the suggestion. */
export interface RuleDoubt extends PlacedProblem {
  /** What to do about it, such as "remove it". */
  readonly suggestion: string;
}

/** What is known about the payloads. */
interface Payloads {
  readonly schema: JsonObject;
  readonly seen: SeenFields | undefined;
}

/**
 * @param outSchema the trigger's; null if it is not known
 * @param seen what payloads of the trigger looked like, if that is known. A field that they have is right, declared or not.
 * @returns nothing about invalid conditions, which are problems of their own
 */
export function lintRule(
  { conditions, actionParams }: LintedRule,
  outSchema: JsonObject | null,
  seen?: SeenFields,
): readonly RuleDoubt[] {
  const compiled = compileConditions(conditions, new PredicateTable());
  if (compiled.kind === "invalid") return [];
  const root: PlacedCondition = { node: compiled.value.root, json: conditions, place: ["conditions"] };
  const payloads: Payloads = { schema: outSchema ?? {}, seen };
  return [
    ...lintComparisons(root, payloads),
    ...lintEffects(root),
    ...templatePaths(actionParams, ["action_params"]).flatMap(({ place, path }) =>
      absence(path, payloads).map(({ clause, suggestion }) => doubt(place, `reads ${clause}`, suggestion)),
    ),
  ];
}

function doubt(place: Place, what: string, suggestion: string): RuleDoubt {
  return { place, reason: `${what}; ${suggestion}`, suggestion };
}

function lintComparisons(condition: PlacedCondition, payloads: Payloads): readonly RuleDoubt[] {
  const { node, place } = condition;
  if (node.kind !== "predicate") return partsOf(condition).flatMap((part) => lintComparisons(part, payloads));
  const predicate = node;
  const absent = absence(predicate.path, payloads);
  if (absent.length > 0) {
    return absent.map(({ clause, suggestion }) => doubt([...place, "field"], `is ${clause}`, suggestion));
  }
  const anchor = misplacedAnchor(predicate);
  if (anchor !== undefined) {
    const { character, what } = anchor;
    return [doubt([...place, "value"], what, `remove it, or write \\${character} for the character itself`)];
  }
  const facts = fieldFacts(payloads.schema, predicate.path);
  return facts.kind === "known" ? lintKnown(predicate, facts, place) : [];
}

function lintKnown(predicate: Predicate, field: KnownField, place: Place): readonly RuleDoubt[] {
  const verdict = judgeComparison(predicate, field);
  const because = `because by the trigger's out_schema ${written(predicate.path)} ${factsText(field)}`;
  if (verdict === "never") return [doubt(place, `can never hold, ${because}`, correction(predicate, field))];
  if (verdict === "always")
    return [doubt(place, `always holds, ${because}`, "remove it, or correct the out_schema")];
  const impossible = impossibleChoices(predicate, field);
  if (impossible.length === 0) return [];
  const values = impossible.map((value) => JSON.stringify(value)).join(", ");
  return [
    doubt(
      [...place, "value"],
      `lists ${values}, which can never occur, ${because}`,
      `remove ${impossible.length === 1 ? "it" : "them"}, or correct the out_schema`,
    ),
  ];
}

/** With the value that was probably meant. */
function correction({ operator, operand }: Predicate, { values = [] }: KnownField): string {
  const general = "correct it, or the out_schema";
  if (operator !== "equals" || typeof operand !== "string") return general;
  const texts = values.filter((value) => typeof value === "string");
  const meant =
    texts.find((text) => text.toLowerCase() === operand.trim().toLowerCase()) ?? nearestName(operand, texts);
  return meant === undefined ? general : `did you mean ${JSON.stringify(meant)}?`;
}

interface Absence {
  /** Continues "is" or "reads". */
  readonly clause: string;
  readonly suggestion: string;
}

/** Why a path finds nothing; empty if it may find something. */
function absence(path: FieldPath, { schema, seen }: Payloads): readonly Absence[] {
  if (seen !== undefined && isSeen(path, seen)) return [];
  const facts = fieldFacts(schema, path);
  const unseen = seen === undefined ? undefined : unseenField(path, seen);
  if (facts.kind === "too-deep") {
    const clause = `below ${written(facts.path)}, which by the trigger's out_schema is ${typesText(facts.types)}`;
    return [{ clause, suggestion: meantPath(unseen?.nearest) ?? "correct the path" }];
  }
  if (facts.kind === "undeclared") {
    const clause = `${written(facts.path)}, which the trigger's out_schema does not declare`;
    const nearest = facts.nearest ?? unseen?.nearest;
    return [{ clause, suggestion: meantPath(nearest) ?? "correct the path, or declare it there" }];
  }
  if (facts.kind !== "open" || !facts.isSilent || unseen === undefined) return [];
  const clause = `${written(unseen.path)}, which neither the trigger's out_schema nor any of ${counted(seen?.samples ?? 0, "payload")} seen has`;
  return [{ clause, suggestion: meantPath(unseen.nearest) ?? "correct the path" }];
}

function meantPath(path: FieldPath | undefined): string | undefined {
  return path === undefined ? undefined : `did you mean ${written(path)}?`;
}

function lintEffects(condition: PlacedCondition): readonly RuleDoubt[] {
  const { node } = condition;
  const inside = partsOf(condition).flatMap(lintEffects);
  if (node.kind !== "all" && node.kind !== "any") return inside;
  const comparisons = partsOf(condition).flatMap(({ node: part, place }) =>
    part.kind === "predicate" ? [{ predicate: part, place }] : [],
  );
  return [...inside, ...withoutEffect(node.kind, comparisons.slice(0, comparedMax))];
}

/** Comparisons of one combination that are compared; any beyond are not. */
const comparedMax = 64;

interface PlacedComparison {
  readonly predicate: Predicate;
  readonly place: Place;
}

/** In `all` a comparison that another one implies has no effect; in `any` one that implies another. */
function withoutEffect(kind: "all" | "any", comparisons: readonly PlacedComparison[]): readonly RuleDoubt[] {
  return comparisons.flatMap(({ predicate, place }, index) => {
    const other = comparisons.find((each, at) => {
      if (at === index) return false;
      if (each.predicate === predicate) return at < index;
      return kind === "all" ? implies(each.predicate, predicate) : implies(predicate, each.predicate);
    });
    if (other === undefined) return [];
    const where = placeText(other.place);
    if (other.predicate === predicate) return [doubt(place, `repeats ${where}`, "remove one of them")];
    const because = kind === "all" ? `${where} demands more` : `${where} holds whenever it does`;
    return [doubt(place, `has no effect, because ${because}`, "remove it, or correct one of them")];
  });
}

/** An anchor in the middle of a pattern, where nothing can come before or after it. */
function misplacedAnchor({
  operator,
  operand,
}: Predicate): { readonly character: string; readonly what: string } | undefined {
  if (operator !== "matches" || typeof operand !== "string" || /\(\?[a-z]*m/.test(operand)) return undefined;
  const plain = operand.replaceAll(/\\.|\[(?:\\.|[^\]\\])*\]/gs, "x").replace(/^\(\?[a-zU]+\)/, "");
  if (/[^(|:^]\^/.test(plain)) {
    return { character: "^", what: "can never match: it has ^, the beginning, after something else" };
  }
  if (/\$[^)|$?*{]/.test(plain)) {
    return { character: "$", what: "can never match: it has $, the end, before something else" };
  }
  return undefined;
}

function written(path: FieldPath): string {
  return path.length === 0 ? "the payload" : `\`${writeFieldPath(path) ?? path.join(".")}\``;
}

function factsText({ types, values, minimum, maximum, isRequired }: KnownField): string {
  const presence = isRequired ? "is in every payload" : undefined;
  const content =
    values === undefined
      ? [
          types === undefined ? undefined : `is ${typesText(types)}`,
          minimum === undefined
            ? undefined
            : `is ${minimum.isInclusive ? "at least" : "above"} ${JSON.stringify(minimum.value)}`,
          maximum === undefined
            ? undefined
            : `is ${maximum.isInclusive ? "at most" : "below"} ${JSON.stringify(maximum.value)}`,
        ]
      : [`is ${oneOf(values.map((value) => JSON.stringify(value)))}`];
  return [presence, ...content].filter((part) => part !== undefined).join(" and ");
}

const typeTexts: Readonly<Record<JsonType, string>> = {
  string: "text",
  number: "a number",
  boolean: "true or false",
  null: "null",
  object: "an object",
  array: "a list",
};

function typesText(types: ReadonlySet<JsonType>): string {
  return oneOf([...types].map((type) => typeTexts[type]));
}

function oneOf(texts: readonly string[]): string {
  return texts.length < 2
    ? (texts[0] ?? "nothing")
    : `${texts.slice(0, -1).join(", ")} or ${texts.at(-1) ?? ""}`;
}
