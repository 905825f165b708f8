/** `/identities` and `/auth/token`: people and services, managed by admins. */
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import type { IdentityEntry } from "../../database/statements/identities.ts";
import { roles, type Role } from "../../model/identity/caller.ts";
import { sensorLoginPrefix } from "../../model/identity/claims.ts";
import { idAnswer, IdAnswer, instantAnswer, InstantAnswer } from "../answers.ts";
import { RequestError } from "../errors.ts";
import { Text } from "../validation.ts";

type ServiceRole = Exclude<Role, "sensor">;

export interface IdentityPorts {
  add(identity: {
    readonly login: string;
    readonly role: ServiceRole;
    readonly password: string;
  }): Promise<IdentityEntry | undefined>;
  setPassword(login: string, password: string): Promise<boolean>;
  list(): Promise<readonly IdentityEntry[]>;
  remove(login: string): Promise<boolean>;
  createToken(request: {
    readonly role: ServiceRole;
    readonly name: string;
    readonly ttlSeconds: number;
  }): Promise<{
    readonly login: string;
    readonly token: string;
    readonly jti: string;
    readonly expiresAtMs: number;
  }>;
}

const ServiceRole = Type.Enum(["admin", "viewer", "worker"]);
const Password = Type.String({ minLength: 8, maxLength: 1_024 });
const Login = Type.Object({ login: Text("Login of the identity") });

const NewIdentity = Type.Object({ login: Text("To log in with"), role: ServiceRole, password: Password });

const NewToken = Type.Object({
  role: ServiceRole,
  name: Type.Optional(Text("Of the service that it is for; the role unless set")),
  ttl_seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 31_622_400 })),
});

const IdentityAnswer = Type.Object({
  id: IdAnswer,
  login: Type.String(),
  role: Type.Enum([...roles]),
  has_password: Type.Boolean(),
  created: InstantAnswer,
  updated: InstantAnswer,
});

const TokenAnswer = Type.Object({
  login: Type.String(),
  token: Type.String(),
  jti: Type.String(),
  expires_at: InstantAnswer,
});

const admins = { roles: ["admin"] } as const;

export function addIdentityRoutes(scope: FastifyInstance, identities: IdentityPorts): void {
  scope.get(
    "/identities",
    {
      config: admins,
      schema: {
        description: "People and services, at most 1,000; sensors are not listed.",
        response: { 200: Type.Object({ items: Type.Array(IdentityAnswer) }) },
      },
    },
    async () => ({ items: (await identities.list()).map(identityAnswer) }),
  );

  scope.post<{ Body: Static<typeof NewIdentity> }>(
    "/identities",
    {
      config: admins,
      schema: { body: NewIdentity, response: { 201: Type.Object({ data: IdentityAnswer }) } },
    },
    async ({ body }, reply) => {
      if (body.login.startsWith(sensorLoginPrefix))
        throw new RequestError("CONFLICT", `Logins that begin with ${sensorLoginPrefix} belong to sensors.`);
      const added = await identities.add(body);
      if (added === undefined)
        throw new RequestError("CONFLICT", `There is an identity ${body.login} already.`);
      return reply.code(201).send({ data: identityAnswer(added) });
    },
  );

  scope.post<{ Params: Static<typeof Login>; Body: { password: string } }>(
    "/identities/:login/password",
    {
      config: admins,
      schema: {
        description: "Ends all tokens of the identity.",
        params: Login,
        body: Type.Object({ password: Password }),
        response: { 204: Type.Null() },
      },
    },
    async ({ params: { login }, body: { password } }, reply) => {
      if (!(await identities.setPassword(login, password))) throw unknown(login);
      return reply.code(204).send();
    },
  );

  scope.delete<{ Params: Static<typeof Login> }>(
    "/identities/:login",
    {
      config: admins,
      schema: {
        description: "Ends all tokens of the identity.",
        params: Login,
        response: { 204: Type.Null() },
      },
    },
    async ({ params: { login } }, reply) => {
      if (!(await identities.remove(login))) throw unknown(login);
      return reply.code(204).send();
    },
  );
}

/** For services. */
export function addServiceTokenRoute(scope: FastifyInstance, identities: IdentityPorts): void {
  scope.post<{ Body: Static<typeof NewToken> }>(
    "/auth/token",
    {
      config: admins,
      schema: {
        description: "Makes an access token for a service.",
        body: NewToken,
        response: { 201: Type.Object({ data: TokenAnswer }) },
      },
    },
    async ({ body: { role, name = role, ttl_seconds: ttlSeconds = 86_400 } }, reply) => {
      const { expiresAtMs, login, token, jti } = await identities.createToken({ role, name, ttlSeconds });
      const data = { login, token, jti, expires_at: instantAnswer(new Date(expiresAtMs)) };
      return reply.code(201).send({ data });
    },
  );
}

function unknown(login: string): RequestError {
  return new RequestError("NOT_FOUND", `There is no identity ${login}.`);
}

function identityAnswer(identity: IdentityEntry): Static<typeof IdentityAnswer> {
  return {
    id: idAnswer(identity.id),
    login: identity.login,
    role: identity.role,
    has_password: identity.hasPassword,
    created: instantAnswer(identity.createdAt),
    updated: instantAnswer(identity.updatedAt),
  };
}
