/**
 * `/auth/session`: the page's login. It has the same limits and tokens as `/auth/login`; the tokens stay in cookies, see
 * session-cookies.ts. While somebody uses the page, the tokens are replaced before they expire.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import { roles, type Caller } from "../../model/identity/caller.ts";
import { instantAnswer, InstantAnswer, orNull } from "../answers.ts";
import type { Authenticate } from "../authentication.ts";
import { RequestError } from "../errors.ts";
import {
  accessTokenIn,
  clearSessionCookies,
  demandOwnOrigin,
  demandOwnPage,
  forgeryToken,
  isFromThisMachine,
  refreshTokenIn,
  setSessionCookies,
} from "../session-cookies.ts";
import { Text } from "../validation.ts";
import { openBodyBytesMax, type AuthPorts, type OpenSession } from "./auth.ts";

export interface SessionPorts extends Pick<AuthPorts, "sessions" | "decode" | "revoke"> {
  readonly authenticate: Authenticate;
  /** Opens a session without a password, for callers on this machine. Left out: everyone needs one. */
  readonly openLocalSession?: () => Promise<OpenSession>;
}

/** A token is replaced when it ends sooner than this. */
const renewalMs = 900_000;

const SessionBody = Type.Object({
  login: Type.Optional(
    Text("Of the identity; left out with the password: a session on a development machine"),
  ),
  password: Type.Optional(Type.String({ minLength: 1, maxLength: 1_024 })),
});

const PageSession = Type.Object({
  user: orNull(Type.Object({ login: Type.String(), role: Type.Enum([...roles]) })),
  csrf_token: orNull(
    Type.String({ description: "For the header X-CSRF-Token of requests that change something" }),
  ),
  expires_at: orNull(InstantAnswer),
  password_needed: Type.Boolean({
    description: "false: this machine's sessions need none (security.development)",
  }),
});

const SessionAnswer = Type.Object({ data: PageSession });

export function addSessionRoutes(scope: FastifyInstance, ports: SessionPorts): void {
  const { sessions, authenticate, decode, revoke, openLocalSession } = ports;
  const needsPassword = (request: FastifyRequest): boolean =>
    openLocalSession === undefined || !isFromThisMachine(request);

  const none = (request: FastifyRequest): Static<typeof SessionAnswer> => ({
    data: { user: null, csrf_token: null, expires_at: null, password_needed: needsPassword(request) },
  });
  const present = (
    request: FastifyRequest,
    token: string,
    { login, role, expiresAtMs }: Caller,
  ): Static<typeof SessionAnswer> => ({
    data: {
      user: { login, role },
      csrf_token: forgeryToken(token),
      expires_at: Number.isFinite(expiresAtMs) ? instantAnswer(new Date(expiresAtMs)) : null,
      password_needed: needsPassword(request),
    },
  });
  const open = async (
    request: FastifyRequest,
    reply: FastifyReply,
    session: OpenSession,
  ): Promise<Static<typeof SessionAnswer>> => {
    const caller = await authenticate(session.accessToken);
    if (caller === undefined) throw new RequestError("UNAUTHORIZED", "The session has just ended.");
    setSessionCookies(request, reply, session);
    return present(request, session.accessToken, caller);
  };

  scope.addHook("onRequest", async (_request, reply) => {
    reply.header("cache-control", "no-store");
  });

  scope.get(
    "/auth/session",
    {
      schema: {
        description: "The page's session, with new cookies if its token ends soon.",
        response: { 200: SessionAnswer },
      },
    },
    async (request, reply) => {
      const token = accessTokenIn(request);
      const caller = token === undefined ? undefined : await authenticate(token);
      const refreshToken = refreshTokenIn(request);
      const endsSoon = caller === undefined || caller.expiresAtMs - Date.now() < renewalMs;
      if (endsSoon && refreshToken !== undefined) {
        const session = await sessions.refresh(refreshToken);
        if (session !== undefined) return open(request, reply, session);
      }
      return token === undefined || caller === undefined ? none(request) : present(request, token, caller);
    },
  );

  scope.post<{ Body: Static<typeof SessionBody> }>(
    "/auth/session",
    {
      bodyLimit: openBodyBytesMax,
      schema: {
        description: "Opens a session for the page and keeps its tokens in cookies.",
        body: SessionBody,
        response: { 200: SessionAnswer },
      },
      preValidation: async (request) => {
        request.body ??= {};
      },
    },
    async (request, reply) => {
      demandOwnOrigin(request);
      const { login, password } = request.body;
      if (login === undefined && password === undefined && openLocalSession !== undefined) {
        if (isFromThisMachine(request)) return open(request, reply, await openLocalSession());
      }
      if (login === undefined || password === undefined)
        throw new RequestError("UNAUTHORIZED", "Send a login and a password.");
      const outcome = await sessions.logIn({ login, address: request.ip }, password);
      if (outcome.kind === "open") return open(request, reply, outcome.session);
      if (outcome.kind === "refused") throw new RequestError("UNAUTHORIZED", "Login or password is wrong.");
      reply.header("retry-after", outcome.secondsLeft);
      throw new RequestError("TOO_MANY_REQUESTS", "Too many attempts to log in; try again later.");
    },
  );

  scope.delete(
    "/auth/session",
    {
      schema: {
        description: "Ends the page's session, and all tokens that descend from it.",
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const token = accessTokenIn(request);
      if (token !== undefined) {
        demandOwnPage(request, token);
        // A page that nobody used for an hour has a refresh token only.
        const decoded = (await decode(token)) ?? (await decode(refreshTokenIn(request) ?? ""));
        const family = decoded?.family ?? decoded?.caller.jti ?? undefined;
        if (family !== undefined) await revoke(family);
      }
      clearSessionCookies(request, reply);
      return reply.code(204).send();
    },
  );
}
