/** Bodies of requests, read without losing digits of their numbers. */
import type { FastifyInstance } from "fastify";
import { decodeJson } from "../model/json/json-text.ts";
import { RequestError } from "./errors.ts";

/**
 * For all routes added to `scope`. An empty body is no body, whatever its content type: clients send
 * `Content-Type: application/json` with every request.
 */
export function readJsonBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser<string>("*", { parseAs: "string" }, (_request, text, done) => {
    if (text === "") return done(null);
    const decoded = decodeJson(text);
    if (decoded.kind === "valid") return done(null, decoded.value);
    done(new RequestError("BAD_REQUEST", `The body cannot be used: ${decoded.problem}.`));
  });
}
