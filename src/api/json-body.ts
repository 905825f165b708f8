/** Bodies of requests, read without losing digits of their numbers. */
import type { FastifyInstance } from "fastify";
import { decodeJson } from "../model/json/json-text.ts";
import type { JsonValue } from "../model/json/json.ts";
import { RequestError } from "./errors.ts";

/**
 * For all routes added to `scope`. An empty body is no body, whatever its content type: clients send
 * `Content-Type: application/json` with every request.
 */
export function readJsonBodies(scope: FastifyInstance): void {
  readBodies(scope, unusable);
}

/** For bodies that hold secrets: what is wrong with one is said without quoting it. */
export function readSecretBodies(scope: FastifyInstance): void {
  readBodies(scope, () => unusable("it is not valid JSON"));
}

function readBodies(scope: FastifyInstance, refusal: (problem: string) => RequestError): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser<string>("*", { parseAs: "string" }, (_request, text, done) => {
    if (text === "") return done(null);
    const decoded = decodeJson(text);
    if (decoded.kind === "valid") return done(null, decoded.value);
    done(refusal(decoded.problem));
  });
}

/** A body with the text it was read from. */
export interface TextBody {
  readonly text: string;
  readonly value: JsonValue;
}

/** For routes that need the text, too. A missing body is null. */
export function readTextBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser<string>("*", { parseAs: "string" }, (_request, text, done) => {
    const decoded = decodeJson(text === "" ? "null" : text);
    if (decoded.kind === "valid") return done(null, { text, value: decoded.value } satisfies TextBody);
    done(unusable(decoded.problem));
  });
}

function unusable(problem: string): RequestError {
  return new RequestError("BAD_REQUEST", `The body cannot be used: ${problem}.`);
}
