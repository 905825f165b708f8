/**
 * The page's session: the person's tokens in cookies that no script can read.
 *
 * A browser attaches cookies even to requests made by a foreign site. So a request that changes something is accepted
 * only from the agent's own origin, and only if it repeats a value that only the page knows. SameSite=Strict already keeps
 * the cookies out of foreign sites' requests.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { RequestError } from "./errors.ts";

export interface SessionTokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

const sessionPath = "/api/v1/auth/session";

/** As long as a refresh token is valid. */
const keptSeconds = 7 * 86_400;
const forgeryHeader = "x-csrf-token";
const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

export function accessTokenIn(request: FastifyRequest): string | undefined {
  return cookiesOf(request).get(names(request).access);
}

export function refreshTokenIn(request: FastifyRequest): string | undefined {
  return cookiesOf(request).get(names(request).refresh);
}

export function setSessionCookies(
  request: FastifyRequest,
  reply: FastifyReply,
  { accessToken, refreshToken }: SessionTokens,
): void {
  const { access, refresh } = names(request);
  const secure = isSecure(request) ? "; Secure" : "";
  const common = `HttpOnly; SameSite=Strict${secure}; Max-Age=${keptSeconds}`;
  reply.header("set-cookie", [
    `${access}=${accessToken}; Path=/; ${common}`,
    `${refresh}=${refreshToken}; Path=${sessionPath}; ${common}`,
  ]);
}

export function clearSessionCookies(request: FastifyRequest, reply: FastifyReply): void {
  const { access, refresh } = names(request);
  const secure = isSecure(request) ? "; Secure" : "";
  const common = `HttpOnly; SameSite=Strict${secure}; Max-Age=0`;
  reply.header("set-cookie", [
    `${access}=; Path=/; ${common}`,
    `${refresh}=; Path=${sessionPath}; ${common}`,
  ]);
}

/** What a changing request must repeat. It follows from the token, so that no agent has to keep it. */
export function forgeryToken(accessToken: string): string {
  return createHash("sha256").update("attune page\0").update(accessToken).digest("base64url");
}

/**
 * For requests that are made with the session's cookie.
 *
 * @throws RequestError FORBIDDEN for a change that another site may have asked for
 */
export function demandOwnPage(request: FastifyRequest, accessToken: string): void {
  if (safeMethods.has(request.method)) return;
  demandOwnOrigin(request);
  const given = request.headers[forgeryHeader];
  if (typeof given !== "string" || !areEqual(given, forgeryToken(accessToken))) {
    throw new RequestError("FORBIDDEN", "Repeat the session's csrf_token in the header X-CSRF-Token.");
  }
}

/** @throws RequestError FORBIDDEN for a request that a browser made for another origin */
export function demandOwnOrigin({ headers }: FastifyRequest): void {
  const site = headers["sec-fetch-site"];
  const isForeignSite = site !== undefined && site !== "same-origin" && site !== "none";
  // A proxy may speak TLS for the agent, so the schemes may differ.
  const isForeignOrigin = headers.origin !== undefined && hostOf(headers.origin) !== headers.host;
  if (isForeignSite || isForeignOrigin) {
    throw new RequestError("FORBIDDEN", "Only the agent's own page may do this with a session.");
  }
}

/** Whether the request comes from this machine, under a name that only this machine has, and through no proxy. */
export function isFromThisMachine({ socket, headers }: FastifyRequest): boolean {
  if (headers["x-forwarded-for"] !== undefined || headers["forwarded"] !== undefined) return false;
  return isLoopback(socket.remoteAddress ?? "") && isLoopback(nameOf(headers.host ?? ""));
}

function isLoopback(host: string): boolean {
  return /^(?:localhost|(?:::ffff:)?127(?:\.\d{1,3}){3}|::1)$/i.test(host);
}

/** "[::1]:8080" is the host "::1". */
function nameOf(host: string): string {
  return host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** Browsers accept these prefixes only for cookies that were set over TLS. */
function names(request: FastifyRequest): { readonly access: string; readonly refresh: string } {
  return isSecure(request)
    ? { access: "__Host-attune_session", refresh: "__Secure-attune_refresh" }
    : { access: "attune_session", refresh: "attune_refresh" };
}

function isSecure({ protocol }: FastifyRequest): boolean {
  return protocol === "https";
}

/** RFC 6265 section 5.4 */
function cookiesOf({ headers }: FastifyRequest): ReadonlyMap<string, string> {
  const pairs = (headers.cookie ?? "").split(";").flatMap((pair) => {
    const [, name, value] = /^\s*([^=\s]+)=([\w.~+/-]+)\s*$/.exec(pair) ?? [];
    return name === undefined || value === undefined ? [] : [[name, value] as const];
  });
  return new Map(pairs);
}

function areEqual(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
