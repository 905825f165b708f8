/** Bodies of requests, read without losing digits of their numbers. */
import { isUtf8 } from "node:buffer";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { decodeJson } from "../model/json/json-text.ts";
import type { JsonValue } from "../model/json/json.ts";
import { RequestError } from "./errors.ts";
import type { RequestBodies } from "./request-bodies.ts";

/**
 * For all routes added to `scope`. An empty body is no body, whatever its content type: clients send
 * `Content-Type: application/json` with every request.
 */
export function readJsonBodies(scope: FastifyInstance, bodies: RequestBodies): void {
  readBodies(scope, bodies, unusable);
}

/** For bodies that hold secrets: what is wrong with one is said without quoting it. */
export function readSecretBodies(scope: FastifyInstance, bodies: RequestBodies): void {
  readBodies(scope, bodies, () => unusable("it is not valid JSON"));
}

function readBodies(
  scope: FastifyInstance,
  bodies: RequestBodies,
  refusal: (problem: string) => RequestError,
): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", async (request: FastifyRequest) => {
    const text = textOf(await bodies.read(request));
    if (text === "") return undefined;
    const decoded = decodeJson(text);
    if (decoded.kind === "valid") return decoded.value;
    throw refusal(decoded.problem);
  });
}

/** A body with the text it was read from. */
export interface TextBody {
  readonly text: string;
  readonly value: JsonValue;
}

/** For routes that need the text, too. A missing body is null. */
export function readTextBodies(scope: FastifyInstance, bodies: RequestBodies): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", async (request: FastifyRequest): Promise<TextBody> => {
    const text = textOf(await bodies.read(request));
    const decoded = decodeJson(text === "" ? "null" : text);
    if (decoded.kind === "valid") return { text, value: decoded.value };
    throw unusable(decoded.problem);
  });
}

/**
 * Bytes that are no UTF-8 would be replaced, and stored otherwise than they were sent.
 *
 * @throws RequestError
 */
export function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw unusable("it is not UTF-8");
  return bytes.toString();
}

export function unusable(problem: string): RequestError {
  return new RequestError("BAD_REQUEST", `The body cannot be used: ${problem}.`);
}
