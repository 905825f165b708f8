/**
 * What a token whose signature is valid says: who its bearer is and what they may do.
 *
 * A token never gives more than its claims say together. Two claims name the role, `token_type` and `scope`; a token in
 * which they contradict each other is refused, as is one with a claim of the wrong type.
 *
 *     token_type   scope                     for
 *     access       admin, viewer, worker     people and services
 *     refresh      admin, viewer, worker     getting another access token, and nothing else
 *     sensor       sensor                    a sensor; `login` is `sensor:<ref>`, metadata.trigger_types its triggers
 *
 * Tokens that agents make have an issuer (`iss`), `attune:<installation id>`; one of another installation is refused. Other
 * programs of the platform that share the secret make tokens without an issuer. They vouch for the bearer themselves.
 */
import type { Id } from "../identifiers.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";
import type { AssignmentTerm } from "../sensors/incoming-event.ts";
import { roles, type Caller, type Role, type SensorGrant } from "./caller.ts";

export interface DecodedToken {
  readonly use: "access" | "refresh";
  readonly caller: Caller;
  /** Id of the token from which this one descends by renewal. Revoking that one revokes this one. */
  readonly family: string | null;
  /** `token_version` of the identity's row when an agent made the token. Null: another program made it. */
  readonly identityVersion: Id | null;
}

export interface NewToken {
  readonly use: "access" | "refresh";
  readonly identity: { readonly id: Id; readonly login: string; readonly version: Id };
  readonly role: Role;
  /** Of a sensor, and only of a sensor. */
  readonly grant?: SensorGrant;
  /** Of the sensor's row, for the bearer to read. */
  readonly sensorId?: Id | null;
  readonly jti: string;
  readonly family: string;
  readonly issuedAtMs: number;
  readonly lifetimeSeconds: number;
}

export const sensorLoginPrefix = "sensor:";

export function issuerOf(installationId: string): string {
  return `attune:${installationId}`;
}

/** @returns undefined for claims that give nothing: incomplete, contradictory, or of another installation */
export function decodeClaims(claims: JsonObject, issuer: string): DecodedToken | undefined {
  const { sub, exp, token_type: type, iss } = claims;
  const jti = optionalText(claims["jti"]);
  const family = optionalText(claims["family"]);
  const login = optionalText(claims["login"]);
  if (jti === undefined || family === undefined || login === undefined) return undefined;
  if (typeof sub !== "string" || !/^\d{1,19}$/.test(sub)) return undefined;
  if (typeof exp !== "number" || !Number.isFinite(exp)) return undefined;
  if (iss !== undefined && iss !== issuer) return undefined;
  const version = claims["identity_version"];
  // Without it, the token would outlive its identity.
  if (iss !== undefined && !isId(version)) return undefined;
  const identityVersion = iss !== undefined && isId(version) ? version : null;
  const bearer = { identityId: sub, jti, expiresAtMs: exp * 1_000 };
  const common = { family, identityVersion };
  if (type === "sensor") {
    const grant = sensorGrant(claims, login);
    if (claims["scope"] !== "sensor" || grant === undefined || login === null) return undefined;
    return { ...common, use: "access", caller: { ...bearer, login, role: "sensor", grant } };
  }
  if (type !== "access" && type !== "refresh") return undefined;
  const role = roles.find((each) => each === claims["scope"]);
  if (role === undefined || role === "sensor" || login?.startsWith(sensorLoginPrefix)) return undefined;
  return { ...common, use: type, caller: { ...bearer, login: login ?? sub, role } };
}

/** The claims that `decodeClaims` reads back. */
export function encodeClaims(token: NewToken, issuer: string): JsonObject {
  const { identity, role, grant, sensorId, jti, family, lifetimeSeconds } = token;
  const issuedAt = Math.floor(token.issuedAtMs / 1_000);
  return {
    iss: issuer,
    sub: identity.id,
    jti,
    family,
    login: identity.login,
    identity_version: identity.version,
    iat: issuedAt,
    exp: issuedAt + lifetimeSeconds,
    token_type: role === "sensor" ? "sensor" : token.use,
    scope: role,
    ...(grant === undefined ? {} : { metadata: grantClaims(grant, sensorId ?? null) }),
  };
}

function grantClaims({ triggerRefs, term }: SensorGrant, sensorId: Id | null): JsonObject {
  return {
    trigger_types: triggerRefs,
    ...(sensorId === null ? {} : { sensor_id: sensorId }),
    ...(term === null ? {} : { instance: term.instance, generation: term.generation }),
  };
}

function sensorGrant({ metadata }: JsonObject, login: string | null): SensorGrant | undefined {
  if (!login?.startsWith(sensorLoginPrefix) || !isJsonObject(metadata)) return undefined;
  const sensorRef = login.slice(sensorLoginPrefix.length);
  const { trigger_types: triggerRefs, instance, generation } = metadata;
  const term = assignmentTerm(instance, generation);
  if (sensorRef === "" || term === undefined || triggerRefs === undefined) return undefined;
  if (!isJsonArray(triggerRefs) || !triggerRefs.every((ref) => typeof ref === "string")) return undefined;
  return { sensorRef, triggerRefs, term };
}

/** @returns undefined for half a term, which must not pass for none */
function assignmentTerm(
  instance: JsonValue | undefined,
  generation: JsonValue | undefined,
): AssignmentTerm | null | undefined {
  if (instance === undefined && generation === undefined) return null;
  if (typeof instance !== "string" || !uuid.test(instance) || !isId(generation)) return undefined;
  return { instance, generation };
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function isId(value: JsonValue | undefined): value is Id {
  return typeof value === "string" && /^\d{1,19}$/.test(value);
}

/** @returns null if it is absent, undefined if it is not text */
function optionalText(value: JsonValue | undefined): string | null | undefined {
  if (value === undefined) return null;
  return typeof value === "string" && value !== "" ? value : undefined;
}
