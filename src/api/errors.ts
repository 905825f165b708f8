/**
 * Every request that fails is answered `{"error": "<sentence>", "code": "<CODE>", "details"?}`, whatever the
 * reason, so that clients need one way to read a failure. Codes and statuses come from the error catalogue.
 *
 * A request passes three places that can refuse it, each with an answer of its own here:
 *
 *     Node's HTTP parser ──▶ Fastify's router ──▶ hooks and handlers
 *      answerClientError       answerFailure          addErrorAnswers
 *      answerExpectation
 */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { isDatabaseFailure } from "../database/errors.ts";
import { explainDatabaseFailure } from "../database/explain-failure.ts";
import type { NamedKind } from "../database/statements/refs.ts";
import { errorCatalogue, requestErrors, type ErrorCode, type RequestErrorCode } from "../errors/catalogue.ts";
import { OperatorError } from "../errors/operator-error.ts";
import type { Logger } from "../telemetry/logger.ts";
import { endWith, ignoreParser, sendEarly } from "./early-answer.ts";
import type { OwedAnswers } from "./owed-answers.ts";
import type { RouteList } from "./route-list.ts";

/** What is wrong with one parameter of a request. */
export interface ParameterProblem {
  readonly parameter: string;
  readonly problem: string;
}

/** Thrown by hooks and handlers to refuse a request. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly code: RequestErrorCode;
  readonly details: readonly ParameterProblem[] | undefined;

  /** @param message a sentence for the client */
  constructor(code: RequestErrorCode, message: string, details?: readonly ParameterProblem[]) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** What the path names does not exist. Whoever may list the others is told which of them was probably meant (meant-names.ts). */
export class MissingError extends RequestError {
  readonly kind: NamedKind;
  readonly named: string;

  constructor(kind: NamedKind, named: string) {
    super(
      "NOT_FOUND",
      `There is no ${kind === "timer" ? `rule ${named} on a timer trigger` : `${kind} ${named}`}.`,
    );
    this.kind = kind;
    this.named = named;
  }
}

export function invalidParameter(parameter: string, problem: string): RequestError {
  return new RequestError("VALIDATION_FAILED", `Not valid: ${parameter}.`, [{ parameter, problem }]);
}

export function statusOf({ code }: RequestError): number {
  return requestErrors[code].status;
}

interface Failure {
  readonly status: number;
  readonly body: {
    readonly error: string;
    readonly code: ErrorCode;
    readonly details?: readonly ParameterProblem[];
  };
}

/** When to ask again after a 503 or 504. The database is tried again at least this often. */
export const retryAfterSeconds = 5;

export function addErrorAnswers(server: FastifyInstance, routes: RouteList, logger: Logger): void {
  const missing = ({ url }: FastifyRequest, reply: FastifyReply): RequestError => {
    const [path = ""] = url.split("?");
    const known = routes.methodsOf(path);
    const allowed = server.supportedMethods.filter((method) => known.has(method));
    if (allowed.length === 0) return new RequestError("NOT_FOUND", `There is nothing at ${path}.`);
    reply.header("allow", allowed.join(", "));
    return new RequestError("METHOD_NOT_ALLOWED", `${path} answers ${allowed.join(", ")} only.`);
  };
  // Checked in a hook: before it calls a handler, Fastify reads the body, even of a caller without a token.
  server.addHook("onRequest", (request, reply, done) => {
    done(request.is404 ? missing(request, reply) : undefined);
  });
  server.setNotFoundHandler(async (request, reply) => {
    throw missing(request, reply);
  });
  server.setErrorHandler(async (error, request, reply) => answerFailure(error, request, reply, logger));
}

/** Also for what fails before a route is found. */
export function answerFailure(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  logger: Logger,
): FastifyReply {
  const { status, body } = failureOf(error);
  const { id, method, url } = request;
  // The cause may hold anything, so it goes to the log, which hides secrets, and not to the client.
  if (status === 500) logger.error({ error, request_id: id, method, url }, "could not answer a request");
  if (status === 503 || status === 504) reply.header("retry-after", retryAfterSeconds);
  // RFC 9110 section 11.6.1
  if (status === 401) reply.header("www-authenticate", "Bearer");
  return sendEarly(request, reply.code(status), body);
}

/** The answer's body for a failure after the answer has begun. */
export function failureBody(error: unknown): Failure["body"] {
  return failureOf(error).body;
}

function failureOf(error: unknown): Failure {
  if (error instanceof RequestError) {
    const { code, message, details } = error;
    const body = { error: message, code, ...(details === undefined ? {} : { details }) };
    return { status: statusOf(error), body };
  }
  const code = error instanceof OperatorError ? error.code : databaseCode(error);
  if (code !== undefined) {
    // Its own words name servers and users, which clients need not know.
    const { meaning, status } = errorCatalogue[code];
    if (status !== null && status !== 500) return { status, body: { error: asSentence(meaning), code } };
  }
  return frameworkFailure(error) ?? internal;
}

function databaseCode(error: unknown): ErrorCode | undefined {
  return isDatabaseFailure(error) ? explainDatabaseFailure(error)?.code : undefined;
}

/** Fastify's own refusals carry a status and a sentence for the client. */
function frameworkFailure(error: unknown): Failure | undefined {
  if (!(error instanceof Error) || !("statusCode" in error)) return undefined;
  const { statusCode: status, message } = error;
  if (typeof status !== "number" || status < 400 || status >= 500) return undefined;
  return { status, body: { error: asSentence(message), code: requestCodeOf(status) } };
}

const internal: Failure = {
  status: requestErrors.INTERNAL_ERROR.status,
  body: { error: "The request failed; the agent's log says why.", code: "INTERNAL_ERROR" },
};

function requestCodeOf(status: number): RequestErrorCode {
  const codes = Object.keys(requestErrors).filter(isRequestErrorCode);
  return codes.find((code) => requestErrors[code].status === status) ?? "BAD_REQUEST";
}

function isRequestErrorCode(code: string): code is RequestErrorCode {
  return Object.hasOwn(requestErrors, code);
}

/**
 * Answers what Node's parser refuses, once the requests before it are answered.
 *
 * @returns false: the client has left
 */
export function answerClientError(
  error: Error & { readonly code?: string },
  socket: Socket,
  owed: OwedAnswers,
): boolean {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return false;
  }
  const refusal = answerText(clientErrorCodes[error.code ?? ""] ?? "BAD_REQUEST");
  const refuse = (): void => {
    // Otherwise the client has left, or asked for the connection to be closed after an earlier answer.
    if (socket.writable) endWith(owed.hasBegun(socket) ? "" : refusal, socket);
  };
  if (owed.whenSettled(socket, refuse)) ignoreParser(socket).pause();
  return true;
}

/** Answers a request for another protocol. The socket is the caller's: the HTTP server has let go of it. */
export function refuseUpgrade(socket: Duplex, code: RequestErrorCode, message?: string): void {
  if (socket.writable) socket.end(answerText(code, message), () => socket.destroy());
  else socket.destroy();
}

/** All of an answer that closes its connection. */
function answerText(code: RequestErrorCode, message?: string): string {
  const { meaning, status } = requestErrors[code];
  const body = JSON.stringify({ error: message ?? asSentence(meaning), code });
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "content-type: application/json; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    ...(status === 401 ? ["www-authenticate: Bearer"] : []),
    ...(status === 503 ? [`retry-after: ${retryAfterSeconds}`] : []),
    "connection: close",
    "",
    body,
  ].join("\r\n");
}

const clientErrorCodes: Readonly<Record<string, RequestErrorCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "REQUEST_TIMEOUT",
  HPE_HEADER_OVERFLOW: "HEADERS_TOO_LARGE",
};

/** Without it Node answers an unknown Expect header with an empty body. */
export function answerExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const { meaning, status } = requestErrors.EXPECTATION_FAILED;
  const body = JSON.stringify({ error: asSentence(meaning), code: "EXPECTATION_FAILED" });
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(body);
}

function asSentence(clause: string): string {
  const end = clause.endsWith(".") ? "" : ".";
  return `${clause.charAt(0).toUpperCase()}${clause.slice(1)}${end}`;
}
