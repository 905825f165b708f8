/** Checks the parameters of requests against the schemas of their routes, and names everything that is wrong. */
import type { FastifyInstance } from "fastify";
import { Type, type TSchema } from "typebox";
import { Value } from "typebox/value";
import { isJsonArray, isJsonObject, type JsonObject } from "../model/json/json.ts";
import { storableText } from "../model/json/storable-text.ts";
import { RequestError, type ParameterProblem } from "./errors.ts";

/** Of texts without the character NUL. */
export const withoutNul = String.raw`^[^\u0000]*$`;

/** A filter's value. PostgreSQL has no text with NUL. */
export const Text = (description: string) =>
  Type.String({ description, minLength: 1, maxLength: 256, pattern: withoutNul });

/** For all routes added to `scope`. */
export function validateRequests(scope: FastifyInstance): void {
  scope.setValidatorCompiler<TSchema>(checkPart);
}

type Validator = (given: unknown) => { readonly value: unknown } | { readonly error: RequestError };

/** For a route whose handler checks the body. */
export function bodyForHandler(part: { readonly schema: TSchema; readonly httpPart?: string }): Validator {
  if (part.httpPart === "body") return (value) => ({ value });
  return checkPart(part);
}

function checkPart({
  schema,
  httpPart,
}: {
  readonly schema: TSchema;
  readonly httpPart?: string;
}): Validator {
  return (given) => {
    // Parameters of a URL are texts; a body says itself what it holds.
    const value = httpPart === "body" ? given : Value.Convert(schema, given);
    const details = problemsOf(schema, value);
    if (details.length === 0 && httpPart === "body") details.push(...storageProblems(schema, given));
    if (details.length === 0) return { value };
    const names = [...new Set(details.map(({ parameter }) => parameter))];
    return { error: new RequestError("VALIDATION_FAILED", `Not valid: ${names.join(", ")}.`, details) };
  };
}

/**
 * Nothing in a body may reach a statement that the database would then refuse. What a schema marks `x-sealed` is encrypted before
 * it is stored, and may be anything.
 */
function storageProblems(schema: TSchema, body: unknown): readonly ParameterProblem[] {
  if (!isJsonObject(body) && !isJsonArray(body)) return [];
  const text = storableText(isJsonObject(body) ? withoutSealed(schema, body) : body);
  return text.kind === "text" ? [] : [{ parameter: "body", problem: text.reason }];
}

function withoutSealed(schema: TSchema, body: JsonObject): JsonObject {
  const properties: unknown = "properties" in schema ? schema.properties : undefined;
  const isSealed = (name: string): boolean => {
    const property: unknown = isJsonObject(properties) ? properties[name] : undefined;
    return isJsonObject(property) && property["x-sealed"] === true;
  };
  return Object.fromEntries(Object.entries(body).filter(([name]) => !isSealed(name)));
}

function problemsOf(schema: TSchema, value: unknown): ParameterProblem[] {
  return Value.Errors(schema, value).flatMap((failure) => {
    const parameter = failure.instancePath.slice(1).replaceAll("/", ".");
    if (failure.keyword !== "required")
      return { parameter: parameter === "" ? "body" : parameter, problem: problemOf(failure) };
    return failure.params.requiredProperties.map((name) => ({
      parameter: parameter === "" ? name : `${parameter}.${name}`,
      problem: "is required",
    }));
  });
}

type Failure = ReturnType<typeof Value.Errors>[number];

const typeNames: Readonly<Record<string, string>> = {
  array: "a list",
  boolean: "true or false",
  integer: "a whole number",
  number: "a number",
  object: "a JSON object",
  string: "text",
};

function problemOf({ message, ...failure }: Failure): string {
  switch (failure.keyword) {
    case "enum":
      return `must be one of ${failure.params.allowedValues.join(", ")}`;
    case "type":
      return `must be ${[failure.params.type]
        .flat()
        .map((type) => typeNames[type] ?? type)
        .join(" or ")}`;
    case "minimum":
      return `must be at least ${failure.params.limit}`;
    case "maximum":
      return `must be at most ${failure.params.limit}`;
    case "minLength":
      return failure.params.limit === 1
        ? "must not be empty"
        : `must have at least ${failure.params.limit} characters`;
    case "maxLength":
      return `must have at most ${failure.params.limit} characters`;
    case "pattern":
      return String(failure.params.pattern) === withoutNul ? "must not contain the character NUL" : message;
    case "maxItems":
      return `must have at most ${failure.params.limit} entries`;
    default:
      return message;
  }
}
