/** Checks the parameters of requests against the schemas of their routes, and names everything that is wrong. */
import type { FastifyInstance } from "fastify";
import { Type, type TSchema } from "typebox";
import { Value } from "typebox/value";
import { isJsonArray, isJsonObject } from "../model/json/json.ts";
import { storableText } from "../model/json/storable-text.ts";
import { RequestError, type ParameterProblem } from "./errors.ts";

/** A filter's value. PostgreSQL has no text with NUL. */
export const Text = (description: string) =>
  Type.String({ description, minLength: 1, maxLength: 256, pattern: String.raw`^[^\u0000]*$` });

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
    if (details.length === 0 && httpPart === "body") details.push(...storageProblems(given));
    if (details.length === 0) return { value };
    const names = [...new Set(details.map(({ parameter }) => parameter))];
    return { error: new RequestError("VALIDATION_FAILED", `Not valid: ${names.join(", ")}.`, details) };
  };
}

/** Nothing in a body may reach a statement that the database would then refuse. */
function storageProblems(body: unknown): readonly ParameterProblem[] {
  if (!isJsonObject(body) && !isJsonArray(body)) return [];
  const text = storableText(body);
  return text.kind === "text" ? [] : [{ parameter: "body", problem: text.reason }];
}

function problemsOf(schema: TSchema, value: unknown): ParameterProblem[] {
  return Value.Errors(schema, value).map(({ instancePath, keyword, params, message }) => ({
    parameter: instancePath.slice(1).replaceAll("/", "."),
    problem: keyword === "enum" ? `must be one of ${params.allowedValues.join(", ")}` : message,
  }));
}
