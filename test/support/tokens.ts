/** Callers of the API in tests: real tokens for real agents, and callers without tokens for an API alone. */
import type { Authenticate } from "../../src/api/authentication.ts";
import type { Caller, Role, SensorGrant } from "../../src/model/identity/caller.ts";
import type { JsonObject } from "../../src/model/json/json.ts";
import { TokenCodec } from "../../src/tokens/token-codec.ts";

/** `security.jwt_secret` of agents that tests start; see agent-process.ts. */
export const signingSecret = "signs the tokens of agents that tests start";

export type TestGrant = Partial<SensorGrant>;

/** A token as another program of the platform makes it, which has the agent's secret and no row in the agent's database. */
export async function tokenFor(role: Role, grant: TestGrant = {}, claims: JsonObject = {}): Promise<string> {
  const { sensorRef = "p.sensor", triggerRefs = [], term } = grant;
  const nowSeconds = Math.floor(Date.now() / 1_000);
  return await new TokenCodec([signingSecret]).sign({
    sub: "1",
    iat: nowSeconds,
    exp: nowSeconds + 3_600,
    scope: role,
    ...(role === "sensor"
      ? {
          token_type: "sensor",
          login: `sensor:${sensorRef}`,
          metadata: { trigger_types: triggerRefs, ...term },
        }
      : { token_type: "access", login: role }),
    ...claims,
  });
}

/** Headers for requests to a real agent. */
export async function headersFor(role: Role, grant: TestGrant = {}): Promise<{ authorization: string }> {
  return { authorization: `Bearer ${await tokenFor(role, grant)}` };
}

function callerFor(role: Role, grant: TestGrant = {}): Caller {
  const caller = { identityId: "1", login: role, jti: null, expiresAtMs: Number.POSITIVE_INFINITY };
  if (role !== "sensor") return { ...caller, role };
  const { sensorRef = "p.sensor", triggerRefs = [], term = null } = grant;
  return { ...caller, login: `sensor:${sensorRef}`, role, grant: { sensorRef, triggerRefs, term } };
}

/** For an API alone: takes the name of a role for its token, as in `Authorization: Bearer admin`. */
export const authenticateByRole: Authenticate = async (token) => {
  const role = (["admin", "viewer", "worker", "sensor"] as const).find((each) => each === token);
  return role && callerFor(role);
};
