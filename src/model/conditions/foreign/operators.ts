/**
 * Operators of other systems and their equivalents here: StackStorm, Event-Driven Ansible, Argo Events,
 * json-rules-engine, Sigma, Alertmanager, Kubernetes selectors, MongoDB.
 *
 * Names are looked up in lower case, without spaces, dashes and underscores. A negative name is looked up
 * as it is, then without its `not`, `n`, `does not` … and the result negated, so that a suggestion never
 * means the opposite.
 */
import { isJsonNumber, jsonNumber } from "../../json/exact-number.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../../json/json.ts";
import { isWithinDigits } from "../../json/json-text.ts";
import { isOperatorName, type OperatorName } from "../operators.ts";

/** Builds the equivalent condition; undefined if the value does not fit. */
export type Rewrite = (field: string, value: JsonValue | undefined) => JsonValue | undefined;

export type OperatorMeaning =
  | {
      readonly kind: "known";
      readonly rewrite: Rewrite;
      /** The operator here that takes the same value and means the same, if there is one. */
      readonly own: OperatorName | undefined;
    }
  /** There is no equivalent here. */
  | { readonly kind: "none"; readonly reason: string };

/** What an operator of this name means, here or in another system; undefined for an unknown name. */
export function operatorMeaning(operator: string): OperatorMeaning | undefined {
  const name = operator.toLowerCase().replaceAll(/[\s_$-]/g, "");
  const known = rewrites.get(name);
  if (known !== undefined) return meaningOf(known);
  const reason = withoutCounterpart.find(([names]) => names.test(name))?.[1];
  if (reason !== undefined) return { kind: "none", reason };

  const [, negation, rest = ""] = prefixes.exec(name) ?? [];
  const meaning = rest === "" ? undefined : operatorMeaning(rest);
  if (negation === undefined || meaning?.kind !== "known") return meaning;
  const { rewrite } = meaning;
  return meaningOf((field, value) => denied(rewrite(field, value)));
}

function meaningOf(rewrite: Rewrite): OperatorMeaning {
  for (const value of ["a", 1, [1, 2]]) {
    const condition = rewrite("x", value);
    if (!isJsonObject(condition)) continue;
    const { operator, value: kept } = condition;
    const isSame = kept === undefined || kept === value || (isJsonArray(kept) && kept[0] === value);
    if (isSame && typeof operator === "string" && isOperatorName(operator))
      return { kind: "known", rewrite, own: operator };
  }
  return { kind: "known", rewrite, own: undefined };
}

/** A name that looks negative is not treated as a misspelling of one that does not. */
export function seemsNegative(operator: string): boolean {
  return /^(?:n|un|!|ineq|dis|ex(?!is)|abs|miss|without)|not|n't|none|never/i.test(operator);
}

/** `isnot`, `doesnot`, `not`, `non`, `no`, `n`, `un` and `!` negate; `is` and `does` mean nothing. */
const prefixes = /^(?:((?:is|does|do)?(?:not|n't|nt)|non|no|un|n|!)|is|does)(.*)$/;

const withoutCounterpart: readonly (readonly [names: RegExp, reason: string])[] = [
  [
    /^(?:timediff|td)(?:lt|gt)$|^(?:before|after|older|newer)/,
    "conditions cannot use the current time; have the sensor put the age into the payload as a number",
  ],
  [
    /^(?:search|elemmatch|select|selectattr)$/,
    "no operator searches a list for elements that match conditions",
  ],
  [
    /^(?:len|length|size|count|cardinality|minlength|maxlength)/,
    "no operator counts elements; have the sensor put the number into the payload",
  ],
  [
    /^(?:cidr|inrange|insubnet|ipin)/,
    "no operator understands network addresses; use starts_with or matches",
  ],
  [
    /^(?:changed?|haschanged|changedto|changedfrom)$/,
    "conditions see one event at a time; have the sensor report the change",
  ],
];

const opposites: Partial<Record<OperatorName, OperatorName>> = {
  equals: "not_equals",
  not_equals: "equals",
  in: "not_in",
  not_in: "in",
  exists: "not_exists",
  not_exists: "exists",
};

function denied(condition: JsonValue | undefined): JsonValue | undefined {
  if (!isJsonObject(condition)) return condition === undefined ? undefined : { not: condition };
  const opposite = Object.entries(opposites).find(([operator]) => operator === condition["operator"])?.[1];
  return opposite === undefined ? { not: condition } : { ...condition, operator: opposite };
}

function own(operator: OperatorName): Rewrite {
  return (field, value) => (value === undefined ? undefined : { field, operator, value: lone(value) });
}

/** Argo Events and Kubernetes write a single value as a list of one. */
function lone(value: JsonValue): JsonValue {
  return isJsonArray(value) && value.length === 1 && value[0] !== undefined ? value[0] : value;
}

const equals: Rewrite = (field, value) => {
  if (value === undefined) return undefined;
  if (isJsonArray(value) && value.length > 1) return { field, operator: "in", value };
  return { field, operator: "equals", value: lone(value) };
};

function number(operator: OperatorName): Rewrite {
  return (field, value) => {
    const bound = value === undefined ? undefined : asNumber(lone(value));
    return bound === undefined ? undefined : { field, operator, value: bound };
  };
}

/** Also accepts a number in quotes. */
function asNumber(value: JsonValue): JsonValue | undefined {
  if (isJsonNumber(value)) return value;
  const isNumber =
    typeof value === "string" && /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(value) && isWithinDigits(value);
  return isNumber ? jsonNumber(value) : undefined;
}

const oneOf: Rewrite = (field, value) =>
  value === undefined ? undefined : { field, operator: "in", value: isJsonArray(value) ? value : [value] };

/** StackStorm's `inside` also looks for the field within a constant string, which has no equivalent here. */
const inside: Rewrite = (field, value) => (isJsonArray(value) ? oneOf(field, value) : undefined);

const exists: Rewrite = (field, value) => ({ field, operator: value === false ? "not_exists" : "exists" });

function pattern(of: (text: string) => string): Rewrite {
  return (field, value) => {
    const text = value === undefined ? undefined : lone(value);
    return typeof text === "string" ? { field, operator: "matches", value: of(text) } : undefined;
  };
}

const literal = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
const wildcards = (text: string): string =>
  `^${text
    .split(/([*?])/)
    .map((part) => (part === "*" ? ".*" : part === "?" ? "." : literal(part)))
    .join("")}$`;
/** A pattern that begins with a star is not a regular expression but a wildcard. */
const asPattern = (text: string): string => (text.startsWith("*") ? wildcards(text) : text);
const fromStart = (text: string): string => (text.startsWith("^") ? text : `^(?:${text})`);
const wholly = (text: string): string => `^(?:${text})$`;

function each(combination: "all" | "any", operator: OperatorName): Rewrite {
  return (field, value) =>
    isJsonArray(value) && value.length > 0
      ? { [combination]: value.map((part) => ({ field, operator, value: part })) }
      : own(operator)(field, value);
}

const between: Rewrite = (field, value) => {
  if (!isJsonArray(value) || value.length !== 2) return undefined;
  const [low, high] = value.map(asNumber);
  if (low === undefined || high === undefined) return undefined;
  return {
    all: [
      { field, operator: "greater_than_or_equal", value: low },
      { field, operator: "less_than_or_equal", value: high },
    ],
  };
};

const isNull: Rewrite = (field, value) => ({
  field,
  operator: value === false ? "not_equals" : "equals",
  value: null,
});
const isNotNull: Rewrite = (field) => ({
  all: [
    { field, operator: "exists" },
    { field, operator: "not_equals", value: null },
  ],
});
const empty: readonly JsonValue[] = ["", [], {}, null];
const isEmpty: Rewrite = (field) => ({ field, operator: "in", value: empty });
const isNotEmpty: Rewrite = (field) => ({
  all: [
    { field, operator: "exists" },
    { field, operator: "not_in", value: empty },
  ],
});

const table: readonly (readonly [names: string, rewrite: Rewrite])[] = [
  ["equals equal eq = == === is equalto isequalto same exact exactly", equals],
  ["!= !== <> ne neq unequal isnot differs different", (field, value) => denied(equals(field, value))],
  [
    "iequals ieq equalsignorecase equalsignoringcase equalsi caseinsensitiveequals",
    pattern((text) => `(?i)^${literal(text)}$`),
  ],
  ["contains contain includes include has hasvalue containing", own("contains")],
  ["excludes exclude lacks", (field, value) => denied(own("contains")(field, value))],
  ["icontains containsignorecase containsi", pattern((text) => `(?i)${literal(text)}`)],
  ["incontains", (field, value) => denied(pattern((text) => `(?i)${literal(text)}`)(field, value))],
  ["containsany containsanyof intersects", each("any", "contains")],
  ["containsall containsallof", each("all", "contains")],
  ["startswith startwith beginswith beginwith prefix hasprefix", own("starts_with")],
  ["istartswith startswithignorecase", pattern((text) => `(?i)^${literal(text)}`)],
  ["endswith endwith suffix hassuffix", own("ends_with")],
  ["iendswith endswithignorecase", pattern((text) => `(?i)${literal(text)}$`)],
  ["greaterthan greater gt > above morethan over", number("greater_than")],
  [
    "greaterthanorequal greaterthanorequals greaterthanorequalto greaterthaninclusive greaterorequal greaterequal gte ge >= => atleast min",
    number("greater_than_or_equal"),
  ],
  ["lessthan less lt < below under smallerthan", number("less_than")],
  [
    "lessthanorequal lessthanorequals lessthanorequalto lessthaninclusive lessorequal lessequal lte le <= =< atmost max",
    number("less_than_or_equal"),
  ],
  ["between inbetween", between],
  ["in oneof isoneof isin memberof among", oneOf],
  ["inside", inside],
  [
    "matches match regex regexp re ~ rlike matchesregex regexmatch matchregexp searchregex",
    pattern(asPattern),
  ],
  ["matchregex", pattern(fromStart)],
  // As in Alertmanager.
  ["=~", pattern(wholly)],
  ["!~", (field, value) => denied(pattern(wholly)(field, value))],
  ["iregex iregexp ~* matchesignorecase", pattern((text) => `(?i)${text}`)],
  ["matchwildcard wildcard glob fnmatch", pattern(wildcards)],
  ["exists exist defined isdefined present ispresent isset set", exists],
  ["missing absent unset undefined", (field) => ({ field, operator: "not_exists" })],
  ["null isnull none isnone", isNull],
  ["notnull isnotnull nonnull isnotnone", isNotNull],
  ["empty isempty", isEmpty],
  ["notempty isnotempty nonempty", isNotEmpty],
  ["true istrue", (field) => ({ field, operator: "equals", value: true })],
  ["false isfalse", (field) => ({ field, operator: "equals", value: false })],
];

const rewrites: ReadonlyMap<string, Rewrite> = new Map(
  table.flatMap(([names, rewrite]) => names.split(" ").map((name) => [name, rewrite] as const)),
);
