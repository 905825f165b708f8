/**
 * Templates in a rule's action_params: `{{ event.payload.branch }}` inside any string at any depth.
 *
 * A string that consists of one template takes the value with its JSON type, or null if it is missing. A
 * template among other text is inserted as text: strings as they are, everything else as JSON, and null or a
 * missing value as nothing. Keys are never templates. `{{ "{{" }}` yields two braces.
 *
 * Templates are compiled once per rule; a value without templates is a constant shared by all events.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { isJsonObject, isJsonScalar, leastLength, type JsonObject, type JsonValue } from "../json/json.ts";
import { describePlaced, type Place, type PlacedProblem } from "../placed-problem.ts";
import type { FieldPath } from "../paths/field-path.ts";
import { compileExpression, payloadPathOf, type Expression, type TemplateScope } from "./expression.ts";

export type Template<Value extends JsonValue = JsonValue> =
  | { readonly kind: "constant"; readonly value: Value }
  | { readonly kind: "rendered"; readonly render: (scope: TemplateScope) => Value };

const depthMax = 32;
const expressionsMax = 256;

/** @param name what to call the parameters in problems */
export function compileTemplates(params: JsonObject, name: string): Decoded<Template<JsonObject>> {
  const { template, problems } = readTemplates(params, name);
  return problems.length > 0 ? invalid(describePlaced(problems)) : valid(template);
}

/** Every problem in the templates. */
export function templateProblems(params: JsonObject, name: string): readonly PlacedProblem[] {
  return readTemplates(params, name).problems;
}

function readTemplates(
  params: JsonObject,
  name: string,
): Reading & { readonly template: Template<JsonObject> } {
  const reading: Reading = { problems: [], expressionCount: 0 };
  const template = compileObject(params, [name], depthMax, reading);
  if (reading.problems.length === 0 && reading.expressionCount > expressionsMax)
    refuse(reading, [name], `has more than ${expressionsMax} templates`);
  return { ...reading, template };
}

interface Reading {
  readonly problems: PlacedProblem[];
  expressionCount: number;
}

function refuse(reading: Reading, place: Place, reason: string): void {
  reading.problems.push({ place, reason });
}

function compileValue(value: JsonValue, path: Place, depth: number, reading: Reading): Template {
  if (typeof value === "string") return compileText(value, path, reading);
  if (isJsonScalar(value)) return { kind: "constant", value };
  if (depth === 0) {
    refuse(reading, path, `is nested more than ${depthMax} levels deep`);
    return { kind: "constant", value };
  }
  if (isJsonObject(value)) return compileObject(value, path, depth, reading);
  const elements = value.map((element, index) => compileValue(element, [...path, index], depth - 1, reading));
  if (elements.every((element) => element.kind === "constant")) return { kind: "constant", value };
  return { kind: "rendered", render: (scope) => elements.map((element) => render(element, scope)) };
}

function compileObject(
  object: JsonObject,
  path: Place,
  depth: number,
  reading: Reading,
): Template<JsonObject> {
  const members = Object.entries(object).map(
    ([name, value]) => [name, compileValue(value, [...path, name], depth - 1, reading)] as const,
  );
  if (members.every(([, member]) => member.kind === "constant")) return { kind: "constant", value: object };
  return {
    kind: "rendered",
    // fromEntries defines even a key called __proto__; assignment would set the prototype instead.
    render: (scope) => Object.fromEntries(members.map(([name, member]) => [name, render(member, scope)])),
  };
}

function compileText(text: string, path: Place, reading: Reading): Template {
  const pieces: (string | Expression)[] = [];
  let at = 0;
  for (let open = text.indexOf("{{"); open !== -1; open = text.indexOf("{{", at)) {
    const close = closingBraces(text, open + 2);
    if (close === -1) {
      refuse(reading, path, '"{{" is not closed; write {{ "{{" }} for the braces themselves');
      return { kind: "constant", value: text };
    }
    const expression = compileExpression(text.slice(open + 2, close).trim());
    if (expression.kind === "invalid") {
      refuse(reading, path, expression.problem);
      return { kind: "constant", value: text };
    }
    if (open > at) pieces.push(text.slice(at, open));
    pieces.push(expression.value);
    reading.expressionCount += 1;
    at = close + 2;
  }
  if (pieces.length === 0) return { kind: "constant", value: text };
  if (at < text.length) pieces.push(text.slice(at));

  const [only] = pieces;
  if (pieces.length === 1 && typeof only === "function") {
    return {
      kind: "rendered",
      render(scope) {
        const value = only(scope) ?? null;
        scope.budget.take(leastLength(value));
        return value;
      },
    };
  }
  return {
    kind: "rendered",
    render(scope) {
      const texts = pieces.map((piece) => {
        const each = typeof piece === "string" ? piece : written(piece(scope));
        scope.budget.take(each.length);
        return each;
      });
      return texts.join("");
    },
  };
}

/** A payload path that templates read. */
export interface TemplatePath {
  readonly place: Place;
  readonly path: FieldPath;
}

/** Every payload path in valid templates, with the place of its text. */
export function templatePaths(value: JsonValue, place: Place): readonly TemplatePath[] {
  if (typeof value === "string") {
    return expressionsIn(value).flatMap((source) => {
      const path = payloadPathOf(source);
      return path === undefined ? [] : [{ place, path }];
    });
  }
  if (isJsonScalar(value)) return [];
  const members = isJsonObject(value) ? Object.entries(value) : [...value.entries()];
  return members.flatMap(([name, member]) => templatePaths(member, [...place, name]));
}

function expressionsIn(text: string): readonly string[] {
  const sources: string[] = [];
  for (let open = text.indexOf("{{"); open !== -1;) {
    const close = closingBraces(text, open + 2);
    if (close === -1) break;
    sources.push(text.slice(open + 2, close).trim());
    open = text.indexOf("{{", close + 2);
  }
  return sources;
}

/** The position of the first `}}` outside of quotes. */
function closingBraces(text: string, from: number): number {
  let quote = "";
  for (let at = from; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (quote !== "") quote = character === quote ? "" : quote;
    else if (character === '"' || character === "'") quote = character;
    else if (text.startsWith("}}", at)) return at;
  }
  return -1;
}

export function render<Value extends JsonValue>(template: Template<Value>, scope: TemplateScope): Value {
  return template.kind === "constant" ? template.value : template.render(scope);
}

function written(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
