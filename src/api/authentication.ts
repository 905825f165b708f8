/**
 * Who asks, and whether this route is for them.
 *
 * Every route of the platform's resources declares the roles it is for in its `config.roles`; one that declares none
 * does not start. A request without a valid token is 401, one whose role is not among them 403. What a role may do with
 * which row is decided by the handler, from `request.caller`.
 */
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Caller, Role } from "../model/identity/caller.ts";
import { RequestError } from "./errors.ts";

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

/** @throws RequestError UNAUTHORIZED */
async function callerOf({ headers }: FastifyRequest, authenticate: Authenticate): Promise<Caller> {
  const token = bearerToken(headers);
  if (token === undefined) throw new RequestError("UNAUTHORIZED", "Send a token: Authorization: Bearer …");
  const caller = await authenticate(token);
  if (caller === undefined)
    throw new RequestError("UNAUTHORIZED", "The token is not valid, or not any more.");
  return caller;
}

/** RFC 6750 section 2.1 */
export function bearerToken({ authorization }: FastifyRequest["headers"]): string | undefined {
  return /^bearer +([\w.~+/-]+=*)$/i.exec(authorization ?? "")?.[1];
}
