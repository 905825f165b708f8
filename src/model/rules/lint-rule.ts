/**
 * Finds what is probably wrong with a valid rule: conditions that can never or always hold by the trigger's out_schema, fields that
 * it does not declare, conditions without effect, patterns that cannot match, and templates that read what no payload has.
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
import { nearestName } from "../texts/nearest-name.ts";
import { impossibleChoices, judgeComparison } from "./judge-comparison.ts";
import { fieldFacts, type KnownField } from "./payload-schema.ts";

export interface LintedRule {
  readonly conditions: JsonValue;
  readonly actionParams: JsonObject;
}

/**
 * @param outSchema the trigger's; null if it is not known
 * @returns nothing about invalid conditions, which are problems of their own
 */
export function lintRule(
  { conditions, actionParams }: LintedRule,
  outSchema: JsonObject | null,
): readonly PlacedProblem[] {
  const compiled = compileConditions(conditions, new PredicateTable());
  if (compiled.kind === "invalid") return [];
  const root: PlacedCondition = { node: compiled.value.root, json: conditions, place: ["conditions"] };
  const schema = outSchema ?? {};
  return [
    ...lintComparisons(root, schema),
    ...lintEffects(root),
    ...templatePaths(actionParams, ["action_params"]).flatMap(({ place, path }) =>
      absence(path, schema).map((reason) => ({ place, reason: `reads ${reason}` })),
    ),
  ];
}

function lintComparisons(condition: PlacedCondition, schema: JsonObject): readonly PlacedProblem[] {
  const { node, place } = condition;
  if (node.kind !== "predicate") return partsOf(condition).flatMap((part) => lintComparisons(part, schema));
  const { predicate } = node;
  const undeclared = absence(predicate.path, schema);
  if (undeclared.length > 0) {
    return undeclared.map((reason) => ({ place: [...place, "field"], reason: `is ${reason}` }));
  }
  const pattern = patternDoubt(predicate);
  if (pattern !== undefined) return [{ place: [...place, "value"], reason: pattern }];
  const facts = fieldFacts(schema, predicate.path);
  return facts.kind === "known" ? lintKnown(predicate, facts, place) : [];
}

function lintKnown(predicate: Predicate, field: KnownField, place: Place): readonly PlacedProblem[] {
  const verdict = judgeComparison(predicate, field);
  const because = `because by the trigger's out_schema ${written(predicate.path)} ${factsText(field)}`;
  if (verdict === "never")
    return [{ place, reason: `can never hold, ${because}${suggestion(predicate, field)}` }];
  if (verdict === "always") return [{ place, reason: `always holds, ${because}` }];
  const impossible = impossibleChoices(predicate, field);
  if (impossible.length === 0) return [];
  const values = impossible.map((value) => JSON.stringify(value)).join(", ");
  return [{ place: [...place, "value"], reason: `lists ${values}, which can never occur, ${because}` }];
}

/** The value that was probably meant. */
function suggestion({ operator, operand }: Predicate, { values = [] }: KnownField): string {
  if (operator !== "equals" || typeof operand !== "string") return "";
  const texts = values.filter((value) => typeof value === "string");
  const meant =
    texts.find((text) => text.toLowerCase() === operand.trim().toLowerCase()) ?? nearestName(operand, texts);
  return meant === undefined ? "" : `; did you mean ${JSON.stringify(meant)}?`;
}

/** Why a path finds nothing, as clauses; empty if it may find something. */
function absence(path: FieldPath, schema: JsonObject): readonly string[] {
  const facts = fieldFacts(schema, path);
  if (facts.kind === "too-deep") {
    return [`below ${written(facts.path)}, which by the trigger's out_schema is ${typesText(facts.types)}`];
  }
  if (facts.kind !== "undeclared") return [];
  const hint = facts.nearest === undefined ? "" : `; did you mean ${written(facts.nearest)}?`;
  return [`${written(facts.path)}, which the trigger's out_schema does not declare${hint}`];
}

function lintEffects(condition: PlacedCondition): readonly PlacedProblem[] {
  const { node } = condition;
  const inside = partsOf(condition).flatMap(lintEffects);
  if (node.kind !== "all" && node.kind !== "any") return inside;
  const comparisons = partsOf(condition).flatMap(({ node: part, place }) =>
    part.kind === "predicate" ? [{ predicate: part.predicate, place }] : [],
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
function withoutEffect(
  kind: "all" | "any",
  comparisons: readonly PlacedComparison[],
): readonly PlacedProblem[] {
  return comparisons.flatMap(({ predicate, place }, index) => {
    const other = comparisons.find((each, at) => {
      if (at === index) return false;
      if (each.predicate.key === predicate.key) return at < index;
      return kind === "all" ? implies(each.predicate, predicate) : implies(predicate, each.predicate);
    });
    if (other === undefined) return [];
    const where = placeText(other.place);
    if (other.predicate.key === predicate.key) return [{ place, reason: `repeats ${where}` }];
    const reason = kind === "all" ? `${where} demands more` : `${where} holds whenever it does`;
    return [{ place, reason: `has no effect, because ${reason}` }];
  });
}

/** Anchors in the middle of a pattern, where nothing can come before or after them. */
function patternDoubt({ operator, operand }: Predicate): string | undefined {
  if (operator !== "matches" || typeof operand !== "string" || /\(\?[a-z]*m/.test(operand)) return undefined;
  const plain = operand.replaceAll(/\\.|\[(?:\\.|[^\]\\])*\]/gs, "x").replace(/^\(\?[a-zU]+\)/, "");
  if (/[^(|:^]\^/.test(plain)) return "can never match: it has ^, the beginning, after something else";
  if (/\$[^)|$?*{]/.test(plain)) return "can never match: it has $, the end, before something else";
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
