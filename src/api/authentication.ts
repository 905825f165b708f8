/**
 * Who asks, and whether this route is for them.
 *
 * A token comes as the bearer, or in the cookie of the page's session; then a request that changes something must also prove
 * that the page made it.
 *
 * Every route of the platform's resources declares the roles it is for in its `config.roles`; one that declares none
 * does not start. A request without a valid token is 401, one whose role is not among them 403. What a role may do with
 * which row is decided by the handler, from `request.caller`.
 */
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Caller, Role } from "../model/identity/caller.ts";
import { RequestError } from "./errors.ts";
import { accessTokenIn, demandOwnPage } from "./session-cookies.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Set before any handler of a route with `config.roles` runs. */
    caller: Caller;
  }
  interface FastifyContextConfig {
    /** Who may use the route. */
    readonly roles?: readonly Role[];
  }
}

/** Undefined if the token is not valid: forged, expired, revoked, or of another installation. */
export type Authenticate = (token: string) => Promise<Caller | undefined>;

/** For all routes added to `scope` after this call. */
export function requireCaller(scope: FastifyInstance, authenticate: Authenticate): void {
  scope.decorateRequest("caller");
  scope.addHook("onRoute", ({ method, url, config }) => {
    if (config?.roles === undefined) throw new Error(`${String(method)} ${url} does not say whom it is for`);
  });
  scope.addHook("onRequest", async (request) => {
    const caller = await callerOf(request, authenticate);
    const roles = request.routeOptions.config.roles ?? [];
    if (!roles.includes(caller.role)) {
      throw new RequestError("FORBIDDEN", `This is not for callers with the role ${caller.role}.`);
    }
    request.caller = caller;
  });
}

/** @throws RequestError UNAUTHORIZED, or FORBIDDEN for a change that the page did not ask for */
async function callerOf(request: FastifyRequest, authenticate: Authenticate): Promise<Caller> {
  const token = requestToken(request);
  if (token === undefined) throw new RequestError("UNAUTHORIZED", "Send a token: Authorization: Bearer …");
  const caller = await authenticate(token);
  if (caller === undefined)
    throw new RequestError("UNAUTHORIZED", "The token is not valid, or not any more.");
  if (bearerToken(request.headers) === undefined) demandOwnPage(request, token);
  return caller;
}

/** The bearer's, or the one in the cookie of the page's session. */
export function requestToken(request: FastifyRequest): string | undefined {
  return request.headers.authorization === undefined ? accessTokenIn(request) : bearerToken(request.headers);
}

/** RFC 6750 section 2.1 */
export function bearerToken({ authorization }: FastifyRequest["headers"]): string | undefined {
  return /^bearer +([\w.~+/-]+=*)$/i.exec(authorization ?? "")?.[1];
}
