/**
 * Who asks, and whether this route is for them.
 *
 * Every route of the platform's resources declares the roles it is for in its `config.roles`; one that declares none
 * does not start. A request without a valid token is 401, one whose role is not among them 403. What a role may do with
 * which row is decided by the handler, from `request.caller`.
 *
 * Without `authenticate` (no tokens are set up) the API trusts the machine it runs on: it must listen on loopback only, and
 * the request must have been meant for this machine; the caller is then an admin. A connection alone proves too little. A web
 * page can point a name of its own at 127.0.0.1 and have the browser of someone on this machine ask (DNS rebinding), which
 * the Host header shows; and a proxy on this machine asks for others, which its headers show unless it removes them.
 */
import { BlockList, isIPv6 } from "node:net";
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
export function requireCaller(scope: FastifyInstance, authenticate: Authenticate | undefined): void {
  scope.decorateRequest("caller");
  scope.addHook("onRoute", ({ method, url, config }) => {
    if (config?.roles === undefined) throw new Error(`${String(method)} ${url} does not say whom it is for`);
  });
  scope.addHook("onRequest", async (request) => {
    const caller =
      authenticate === undefined ? callerOnLoopback(request) : await callerOf(request, authenticate);
    const roles = request.routeOptions.config.roles ?? [];
    if (!roles.includes(caller.role)) {
      throw new RequestError("FORBIDDEN", `This is not for callers with the role ${caller.role}.`);
    }
    request.caller = caller;
  });
}

/** @throws RequestError UNAUTHORIZED */
async function callerOf({ headers }: FastifyRequest, authenticate: Authenticate): Promise<Caller> {
  const token = bearerToken(headers.authorization);
  if (token === undefined) throw new RequestError("UNAUTHORIZED", "Send a token: Authorization: Bearer …");
  const caller = await authenticate(token);
  if (caller === undefined)
    throw new RequestError("UNAUTHORIZED", "The token is not valid, or not any more.");
  return caller;
}

function bearerToken(authorization: string | undefined): string | undefined {
  return /^bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
}

/** @throws RequestError FORBIDDEN */
function callerOnLoopback(request: FastifyRequest): Caller {
  const refusal = refusalOf(request);
  if (refusal !== undefined) throw new RequestError("FORBIDDEN", refusal);
  return { identityId: "0", login: "local", role: "admin", jti: null, expiresAtMs: Number.POSITIVE_INFINITY };
}

function refusalOf({ server, socket, headers }: FastifyRequest): string | undefined {
  const addresses = server.addresses().map((bound) => (typeof bound === "string" ? bound : bound.address));
  const outside = addresses.find((address) => !isLoopback(address));
  if (outside !== undefined) {
    return `This path is served on loopback only, and the API listens on ${outside}; set api.host to 127.0.0.1.`;
  }
  if (!isLoopback(socket.remoteAddress ?? "") || isForwarded(headers)) {
    return "This path is served to programs on the agent's own machine only.";
  }
  if (headers.host !== undefined && !namesThisMachine(headers.host)) {
    return "This path is served for the host localhost or a loopback address only; the Host header names another.";
  }
  return undefined;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Also for `::ffff:127.0.0.1`: an IPv4 address as an IPv6 socket shows it. */
function isLoopback(address: string): boolean {
  return loopback.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

function isForwarded(headers: FastifyRequest["headers"]): boolean {
  return headers.forwarded !== undefined || headers["x-forwarded-for"] !== undefined;
}

/** @param host name or address, perhaps with a port */
function namesThisMachine(host: string): boolean {
  const hostname = URL.parse(`http://${host}`)?.hostname ?? "";
  return hostname === "localhost" || isLoopback(hostname.replace(/^\[(.*)\]$/, "$1"));
}
