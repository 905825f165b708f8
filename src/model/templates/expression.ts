/**
 * What may be between `{{` and `}}`: a name from a fixed list, followed by a path if it denotes JSON; a path
 * into the payload, as in conditions; or a quoted literal. Names from the list take precedence: a payload key
 * `rule` is written `payload.rule`. There are no functions and no computations. A test compares the list with
 * docs/rules.md.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import {
  parseSegments,
  readPath,
  writeFieldPath,
  type FieldPath,
  type Segment,
} from "../paths/field-path.ts";
import { withoutQuoted, writePayloadPath } from "../paths/foreign-path.ts";
import { idNumber, type Id } from "../identifiers.ts";
import type { JsonObject, JsonValue } from "../json/json.ts";
import { nearestName } from "../texts/nearest-name.ts";
import { foreignPathProblem, isMisspeltPayload, parsePayloadPath } from "../paths/payload-path.ts";
import type { EventFacts } from "../rules/rule-match.ts";
import type { TextBudget } from "../texts/text-budget.ts";

/** What a rule's templates can read while an event is matched. */
export interface TemplateScope {
  readonly event: EventFacts;
  readonly rule: { readonly id: Id; readonly ref: string; readonly triggerParams: JsonObject };
  readonly budget: TextBudget;
}

/** The value in this scope; undefined if there is none. */
export type Expression = (scope: TemplateScope) => JsonValue | undefined;

const scalars: Readonly<Record<string, Expression>> = {
  "event.id": ({ event }) => idNumber(event.id),
  "event.trigger_ref": ({ event }) => event.triggerRef,
  "event.source_ref": ({ event }) => event.sourceRef,
  "event.occurred_at": ({ event }) => event.occurredAt,
  "rule.id": ({ rule }) => idNumber(rule.id),
  "rule.ref": ({ rule }) => rule.ref,
};

const documents: Readonly<Record<string, (scope: TemplateScope) => JsonValue>> = {
  "event.payload": ({ event }) => event.payload,
  payload: ({ event }) => event.payload,
  trigger_params: ({ rule }) => rule.triggerParams,
};

export const expressionNames: readonly string[] = [...Object.keys(scalars), ...Object.keys(documents)];

const quoted = /^(?:"(?<double>[^"]*)"|'(?<single>[^']*)')$/;

const knownMax = 4_096;
const knownLengthMax = 200;
const knownExpressions = new Map<string, Decoded<Expression>>();

/** Rules write the same expressions again and again, so those that were compiled are remembered. */
export function compileExpression(source: string): Decoded<Expression> {
  const known = knownExpressions.get(source);
  if (known !== undefined) return known;
  const compiled = compileNew(source);
  if (source.length > knownLengthMax) return compiled;
  if (knownExpressions.size >= knownMax) knownExpressions.clear();
  knownExpressions.set(source, compiled);
  return compiled;
}

function compileNew(source: string): Decoded<Expression> {
  const text = quoted.exec(source)?.groups;
  if (text !== undefined) {
    const literal = text["double"] ?? text["single"] ?? "";
    return valid(() => literal);
  }

  const problem = foreignPathProblem(source) ?? computation(source);
  if (problem !== undefined) return invalid(problem);
  const segments = parseSegments(source);
  if (segments.kind === "invalid") return segments;
  const known = knownName(segments.value);
  if (known !== undefined) return valid(known);
  const unknown = unknownName(segments.value, source);
  if (unknown !== undefined) return invalid(unknown);

  const path = parsePayloadPath(source);
  if (path.kind === "invalid") return path;
  return valid(({ event }) => readPath(event.payload, path.value));
}

/** The payload path that a valid expression reads; undefined if it reads something else. */
export function payloadPathOf(source: string): FieldPath | undefined {
  if (quoted.test(source)) return undefined;
  const segments = parseSegments(source);
  if (segments.kind === "invalid") return undefined;
  if (knownName(segments.value) === undefined) return pathOf(source);
  const path = segments.value.map(({ name }) => name);
  return pathBehind("event.payload", path) ?? pathBehind("payload", path);
}

function pathOf(source: string): FieldPath | undefined {
  const path = parsePayloadPath(source);
  return path.kind === "invalid" ? undefined : path.value;
}

function knownName(segments: readonly Segment[]): Expression | undefined {
  // A path that begins with a bracket is a key of the payload.
  if (segments[0]?.form !== "bare") return undefined;
  const path = segments.map(({ name }) => name);
  for (const [name, document] of Object.entries(documents)) {
    const rest = pathBehind(name, path);
    if (rest !== undefined) return (scope) => readPath(document(scope), rest);
  }
  const whole = path.join(".");
  return Object.hasOwn(scalars, whole) ? scalars[whole] : undefined;
}

function pathBehind(name: string, path: FieldPath): FieldPath | undefined {
  const names = name.split(".");
  return names.every((part, index) => part === path[index]) ? path.slice(names.length) : undefined;
}

/**
 * Refuses unknown names below a known one, and names that resemble known ones. Any other name may be a key
 * of the payload.
 */
function unknownName(segments: readonly Segment[], source: string): string | undefined {
  const [first, second] = segments;
  if (first?.form !== "bare" || second?.form === "index") return undefined;
  const path = segments.map(({ name }) => name);
  const isScope = first.name === "event" || first.name === "rule";
  const nearest = isScope ? nearestInScope(path) : nearestScope(path);
  if (!isScope && nearest === undefined) return constantProblem(first.name, path.length);

  const known = expressionNames.filter((name) => name.startsWith(`${first.name}.`));
  const hint = nearest === undefined ? `use one of ${known.join(", ")}, or` : `did you mean "${nearest}"? Or`;
  const literally = writeFieldPath(["payload", ...path]) ?? `payload["${first.name}"]`;
  return `"${source}" is unknown to templates; ${hint} write ${literally} for a key "${first.name}" of the payload`;
}

function constantProblem(name: string, length: number): string | undefined {
  if (length > 1 || !/^(?:-?\d+|true|false|null|none)$/i.test(name)) return undefined;
  return `"${name}" is a constant; write it without braces, or payload.${name} for a key of that name`;
}

/** `event.paylod.x` and `event.x` mean `event.payload.x`. */
function nearestInScope(path: FieldPath): string | undefined {
  const [scope = "", name = "", ...rest] = path;
  if (scope === "event" && isMisspeltPayload(name)) return ["event.payload", ...rest].join(".");
  const nearest = nearestName(path.join("."), expressionNames);
  if (nearest !== undefined || scope !== "event" || name === "") return nearest;
  return writeFieldPath(["event", "payload", name, ...rest]);
}

/** `paylod.x`, `evnt.payload.x` and `trigger_param.x` resemble known names; a plural is another word. */
function nearestScope([first = "", ...rest]: FieldPath): string | undefined {
  const [second = ""] = rest;
  const isOfEvent = expressionNames.includes(`event.${second}`) && second !== "id";
  if (rest.length > 0 && isMisspeltPayload(first)) return ["payload", ...rest].join(".");
  if (isOfEvent && nearestName(first, ["event"]) !== undefined) return ["event", ...rest].join(".");
  return nearestName(first, ["trigger_params"]) === undefined
    ? undefined
    : ["trigger_params", ...rest].join(".");
}

/** Operators followed by something that cannot be part of a name. */
const operations =
  /\s(?:[=!]=|[<>]=?|&&|\|\||\?\?|\+|~|-|\/|and|or|if|in|is|not)\s*(?:["']|(?:event|payload|rule|trigger_params)[.[])|\s(?:[=!]=|\+)\s*-?\d+$/;

/** Why this is more than a path. Only after `payload` or in brackets may a name contain any character. */
function computation(source: string): string | undefined {
  if (operations.test(withoutQuoted(source))) return describeComputation(source);
  const segments = parseSegments(source);
  if (segments.kind === "invalid") return undefined;
  const path = segments.value.map(({ name }) => name);
  const isExplicit =
    source.startsWith("[") || Object.keys(documents).some((name) => pathBehind(name, path) !== undefined);
  const isPlain = segments.value.every(
    ({ name, form }) => form !== "bare" || /^[\p{L}\p{N}_$@:/-]+$/u.test(name),
  );
  return isPlain || isExplicit ? undefined : describeComputation(source, writePayloadPath(path));
}

function describeComputation(source: string, literally?: string): string {
  const advice = literally === undefined ? "" : `; write ${literally} for a key of that name`;
  return `"${source}" is more than a path, but templates cannot compute${advice}`;
}
