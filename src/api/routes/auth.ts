/** `/auth`: makes, renews and revokes tokens for people, services and sensors. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import type { Id } from "../../model/identifiers.ts";
import { roles, type Caller, type Role, type SensorGrant } from "../../model/identity/caller.ts";
import type { DecodedToken } from "../../model/identity/claims.ts";
import type { AssignmentTerm } from "../../model/sensors/incoming-event.ts";
import { idAnswer, IdAnswer, instantAnswer, InstantAnswer } from "../answers.ts";
import { bearerToken } from "../authentication.ts";
import { invalidParameter, RequestError } from "../errors.ts";
import { Text } from "../validation.ts";

export interface OpenSession {
  readonly identity: { readonly id: Id; readonly login: string; readonly role: Role };
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Of the access token. */
  readonly lifetimeSeconds: number;
}

interface MintedToken {
  readonly identityId: Id;
  readonly token: string;
  readonly expiresAtMs: number;
}

export interface AuthPorts {
  readonly sessions: {
    logIn(
      attempt: { readonly login: string; readonly address: string },
      password: string,
    ): Promise<
      | { readonly kind: "open"; readonly session: OpenSession }
      | { readonly kind: "refused" }
      | { readonly kind: "limited"; readonly secondsLeft: number }
    >;
    refresh(token: string): Promise<OpenSession | undefined>;
  };
  readonly sensorTokens: {
    mint(request: {
      readonly sensorRef: string;
      readonly triggerRefs: readonly string[];
      readonly term: AssignmentTerm | null;
      readonly ttlSeconds?: number | undefined;
    }): Promise<MintedToken>;
    /** Undefined: the token does not hold any more, since its identity was removed or changed. */
    renew(
      token: DecodedToken,
      grant: SensorGrant,
      ttlSeconds: number | undefined,
    ): Promise<MintedToken | undefined>;
  };
  readonly decode: (token: string) => Promise<DecodedToken | undefined>;
  readonly revoke: (jti: string) => Promise<void>;
}

const ttlSecondsMax = 259_200;

const LoginBody = Type.Object({
  login: Text("Of the identity"),
  password: Type.String({ minLength: 1, maxLength: 1_024 }),
});

const SessionAnswer = Type.Object({
  access_token: Type.String(),
  refresh_token: Type.String(),
  token_type: Type.Literal("Bearer"),
  expires_in: Type.Integer({ description: "Lifetime of the access token in seconds" }),
  user: Type.Object({ id: IdAnswer, login: Type.String(), role: Type.Enum([...roles]) }),
});

const RefreshBody = Type.Object({
  refresh_token: Type.Optional(
    Type.String({ maxLength: 12_288, description: "Of a person; a sensor sends its token as the bearer" }),
  ),
});

const TriggerRefs = Type.Array(Text("Ref of a trigger"), { maxItems: 1_000 });

const Ttl = Type.Integer({
  minimum: 1,
  maximum: ttlSecondsMax,
  description: "Seconds until it expires; 86400 unless set",
});

const SensorTokenBody = Type.Object({
  sensor_ref: Text("The sensor that it is for"),
  trigger_types: TriggerRefs,
  ttl_seconds: Type.Optional(Ttl),
});

const RenewalBody = Type.Partial(SensorTokenBody);

const SensorTokenAnswer = Type.Object({
  identity_id: IdAnswer,
  sensor_ref: Type.String(),
  token: Type.String(),
  expires_at: InstantAnswer,
  trigger_types: Type.Array(Type.String()),
});

const SessionData = Type.Object({ data: SessionAnswer });
const SensorTokenData = Type.Object({ data: SensorTokenAnswer });
const RenewalAnswer = Type.Object({
  token: Type.String(),
  expires_at: InstantAnswer,
  data: SensorTokenAnswer,
});

/** Clients send these with a content type and without a body, too. */
async function withBody(request: FastifyRequest): Promise<void> {
  request.body ??= {};
}

/** Of requests that need no token: anyone can send many at once. */
export const openBodyBytesMax = 32_768;

/** For a scope that does not demand a token. */
export function addLoginRoutes(scope: FastifyInstance, ports: AuthPorts): void {
  const { sessions } = ports;
  scope.post<{ Body: Static<typeof LoginBody> }>(
    "/auth/login",
    {
      bodyLimit: openBodyBytesMax,
      schema: { body: LoginBody, response: { 200: SessionData } },
      preValidation: withBody,
    },
    async ({ body: { login, password }, ip: address }, reply) => {
      const outcome = await sessions.logIn({ login, address }, password);
      if (outcome.kind === "open") return { data: sessionAnswer(outcome.session) };
      if (outcome.kind === "refused") throw new RequestError("UNAUTHORIZED", "Login or password is wrong.");
      reply.header("retry-after", outcome.secondsLeft);
      throw new RequestError("TOO_MANY_REQUESTS", "Too many attempts to log in; try again later.");
    },
  );

  scope.post<{ Body: Static<typeof RefreshBody> }>(
    "/auth/refresh",
    {
      bodyLimit: openBodyBytesMax,
      schema: {
        description:
          "With a refresh token another session, with a sensor's token as the bearer another token.",
        body: RefreshBody,
        response: { 200: Type.Union([SessionData, RenewalAnswer]) },
      },
      preValidation: withBody,
    },
    async ({ body: { refresh_token: token }, headers }) => {
      if (token === undefined) {
        const data = await renew(ports, bearerToken(headers));
        return { token: data.token, expires_at: data.expires_at, data };
      }
      const session = await sessions.refresh(token);
      if (session === undefined) throw new RequestError("UNAUTHORIZED", "The refresh token is not valid.");
      return { data: sessionAnswer(session) };
    },
  );
}

export function addTokenRoutes(scope: FastifyInstance, ports: AuthPorts): void {
  scope.post<{ Body: Static<typeof SensorTokenBody> }>(
    "/auth/sensor-token",
    {
      config: { roles: ["admin"] },
      schema: { body: SensorTokenBody, response: { 200: SensorTokenData } },
    },
    async ({ body }) => ({ data: await mint(ports, body) }),
  );

  scope.post<{ Body: Static<typeof RenewalBody> }>(
    "/auth/internal/sensor-token",
    {
      config: { roles: ["admin", "worker", "sensor"] },
      schema: {
        description: "A sensor gets another token for itself, and needs no body.",
        body: RenewalBody,
        response: { 200: SensorTokenData },
      },
      preValidation: withBody,
    },
    async ({ caller, body, headers }) => {
      if (caller.role !== "sensor") return { data: await mint(ports, complete(body)) };
      if (!isWithin(body, caller.grant))
        throw new RequestError("FORBIDDEN", "A sensor gets tokens for itself and its triggers only.");
      return { data: await renew(ports, bearerToken(headers), body) };
    },
  );

  scope.delete<{ Params: { jti: string } }>(
    "/auth/token/:jti",
    {
      config: { roles: [...roles] },
      schema: {
        description: "Ends a token and those that it was renewed by. Only admins end tokens of others.",
        params: Type.Object({ jti: Text("Id of the token, its claim `jti`") }),
        response: { 204: Type.Null() },
      },
    },
    async ({ caller, params: { jti } }, reply) => {
      if (!mayRevoke(caller, jti))
        throw new RequestError("FORBIDDEN", "Only admins may revoke tokens of others.");
      await ports.revoke(jti);
      return reply.code(204).send();
    },
  );
}

type SensorTokenRequest = Static<typeof SensorTokenBody>;

async function mint({ sensorTokens }: AuthPorts, body: SensorTokenRequest) {
  const { sensor_ref: sensorRef, trigger_types: triggerRefs, ttl_seconds: ttlSeconds } = body;
  const minted = await sensorTokens.mint({ sensorRef, triggerRefs, term: null, ttlSeconds });
  return sensorTokenAnswer({ sensorRef, triggerRefs, term: null }, minted);
}

/** The sensor stays bound to the assignment of its first token, and revoking that one ends this one. */
async function renew(
  { decode, sensorTokens }: AuthPorts,
  token: string | undefined,
  { trigger_types: asked, ttl_seconds: ttlSeconds }: Static<typeof RenewalBody> = {},
) {
  const decoded = token === undefined ? undefined : await decode(token);
  if (decoded === undefined)
    throw new RequestError("UNAUTHORIZED", "Send a refresh token, or a sensor's token as the bearer.");
  const { caller } = decoded;
  if (caller.role !== "sensor")
    throw new RequestError("FORBIDDEN", "Only a sensor's token is renewed without a refresh token.");
  const grant = { ...caller.grant, triggerRefs: asked ?? caller.grant.triggerRefs };
  const minted = await sensorTokens.renew(decoded, grant, ttlSeconds);
  if (minted === undefined) throw new RequestError("UNAUTHORIZED", "The token is not valid any more.");
  return sensorTokenAnswer(grant, minted);
}

function complete({
  sensor_ref,
  trigger_types,
  ttl_seconds,
}: Static<typeof RenewalBody>): SensorTokenRequest {
  if (sensor_ref !== undefined && trigger_types !== undefined)
    return { sensor_ref, trigger_types, ...(ttl_seconds === undefined ? {} : { ttl_seconds }) };
  const missing = sensor_ref === undefined ? "sensor_ref" : "trigger_types";
  throw invalidParameter(missing, "is required");
}

function isWithin(body: Static<typeof RenewalBody>, grant: SensorGrant): boolean {
  const { sensor_ref: sensorRef = grant.sensorRef, trigger_types: triggerRefs = [] } = body;
  return sensorRef === grant.sensorRef && triggerRefs.every((ref) => grant.triggerRefs.includes(ref));
}

function mayRevoke(caller: Caller, jti: string): boolean {
  return caller.role === "admin" || caller.jti === jti;
}

function sessionAnswer(session: OpenSession): Static<typeof SessionAnswer> {
  const { identity, accessToken, refreshToken, lifetimeSeconds } = session;
  return {
    access_token: accessToken,
    refresh_token: refreshToken,
    token_type: "Bearer",
    expires_in: lifetimeSeconds,
    user: { id: idAnswer(identity.id), login: identity.login, role: identity.role },
  };
}

function sensorTokenAnswer(
  { sensorRef, triggerRefs }: SensorGrant,
  minted: MintedToken,
): Static<typeof SensorTokenAnswer> {
  return {
    identity_id: idAnswer(minted.identityId),
    sensor_ref: sensorRef,
    token: minted.token,
    expires_at: instantAnswer(new Date(minted.expiresAtMs)),
    trigger_types: [...triggerRefs],
  };
}
