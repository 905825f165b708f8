import fc from "fast-check";
import { expect, test } from "vitest";
import { roles } from "../../../src/model/identity/caller.ts";
import { decodeClaims, encodeClaims, issuerOf, type NewToken } from "../../../src/model/identity/claims.ts";
import type { JsonObject } from "../../../src/model/json/json.ts";

const issuer = issuerOf("00000000-0000-4000-8000-0000000000aa");

const sensor: JsonObject = {
  iss: issuer,
  sub: "12",
  jti: "j",
  family: "f",
  login: "sensor:p.one",
  identity_version: "1",
  iat: 1,
  exp: 2,
  token_type: "sensor",
  scope: "sensor",
  metadata: { trigger_types: ["t.one"] },
};
const admin: JsonObject = { ...sensor, token_type: "access", scope: "admin", login: "ada" };

test("the claims of the platform's other programs are understood", () => {
  const claims = {
    sub: "999",
    login: "sensor:core.timer",
    iat: 1_234_567_890,
    exp: 1_234_654_290,
    token_type: "sensor",
    scope: "sensor",
    metadata: { trigger_types: ["core.timer"] },
  };

  expect(decodeClaims(claims, issuer)).toEqual({
    use: "access",
    family: null,
    identityVersion: null,
    caller: {
      identityId: "999",
      login: "sensor:core.timer",
      role: "sensor",
      jti: null,
      expiresAtMs: 1_234_654_290_000,
      grant: { sensorRef: "core.timer", triggerRefs: ["core.timer"], term: null },
    },
  });
});

test.each<{ what: string; claims: JsonObject }>([
  { what: "a sensor's token with the scope of an admin", claims: { ...sensor, scope: "admin" } },
  { what: "a sensor's token that calls itself an access token", claims: { ...sensor, token_type: "access" } },
  {
    what: "a sensor that calls itself an admin",
    claims: { ...sensor, token_type: "access", scope: "admin" },
  },
  { what: "an access token with the scope of a sensor", claims: { ...admin, scope: "sensor" } },
  { what: "a sensor's token of a person", claims: { ...sensor, login: "ada" } },
  { what: "a sensor without a name", claims: { ...sensor, login: "sensor:" } },
  { what: "a sensor without triggers", claims: { ...sensor, metadata: {} } },
  { what: "triggers that are text", claims: { ...sensor, metadata: { trigger_types: "t.one" } } },
  { what: "triggers that are no text", claims: { ...sensor, metadata: { trigger_types: [1] } } },
  {
    what: "half an assignment",
    claims: { ...sensor, metadata: { trigger_types: [], generation: "3" } },
  },
  {
    what: "an assignment that is none",
    claims: { ...sensor, metadata: { trigger_types: [], generation: 3, instance: "x" } },
  },
  {
    what: "another installation",
    claims: { ...admin, iss: issuerOf("00000000-0000-4000-8000-0000000000bb") },
  },
  { what: "an issuer that is no text", claims: { ...admin, iss: null } },
  { what: "no version of its identity", claims: { ...admin, identity_version: null } },
  { what: "no use", claims: { ...admin, token_type: null } },
  { what: "another use", claims: { ...admin, token_type: "id" } },
  { what: "no role", claims: { ...admin, scope: "" } },
  { what: "several roles", claims: { ...admin, scope: "viewer admin" } },
  { what: "no id", claims: { ...admin, sub: "ada" } },
  { what: "no expiry", claims: { ...admin, exp: "never" } },
  { what: "an id that is no text", claims: { ...admin, jti: 5 } },
])("a token with $what gives nothing", ({ claims }) => {
  expect(decodeClaims(claims, issuer)).toBeUndefined();
});

// Goal: no combination of claims gives more than each of them says. Method: valid claims with some swapped for others' or for
// anything at all; what is decoded is compared with the claims.
test("a caller never gets more than the claims say", () => {
  const value = fc.oneof(
    fc.constantFrom<unknown>("admin", "viewer", "worker", "sensor", "access", "refresh", "12", issuer, null),
    fc.jsonValue(),
  );
  const swapped = fc.dictionary(fc.constantFrom(...Object.keys(sensor)), value);
  const claimed = fc
    .tuple(fc.constantFrom(sensor, admin), swapped)
    .map(([base, changes]) => ({ ...base, ...changes }) as JsonObject);

  fc.assert(
    fc.property(claimed, (claims) => {
      const decoded = decodeClaims(claims, issuer);
      if (decoded === undefined) return;
      const { caller, use } = decoded;

      expect(claims["scope"]).toBe(caller.role);
      expect(claims["sub"]).toBe(caller.identityId);
      expect(claims["jti"] ?? null).toBe(caller.jti);
      expect(caller.expiresAtMs).toBe(Number(claims["exp"]) * 1_000);
      expect([undefined, issuer]).toContain(claims["iss"]);
      expect(claims["token_type"]).toBe(caller.role === "sensor" ? "sensor" : use);
      if (caller.role === "sensor") {
        expect(claims["login"]).toBe(`sensor:${caller.grant.sensorRef}`);
        expect(claims["metadata"]).toMatchObject({ trigger_types: caller.grant.triggerRefs });
      } else {
        expect(caller.login).not.toMatch(/^sensor:/);
        expect([claims["login"], claims["sub"]]).toContain(caller.login);
      }
    }),
    { numRuns: 20_000 },
  );
});

test("what is encoded is decoded again", () => {
  const term = fc.record({
    instance: fc.uuid(),
    generation: fc.bigInt({ min: 1n, max: 2n ** 60n }).map(String),
  });
  const grant = fc.record({
    sensorRef: fc.string({ minLength: 1 }),
    triggerRefs: fc.array(fc.string()),
    term: fc.option(term),
  });

  fc.assert(
    fc.property(fc.constantFrom(...roles), grant, fc.nat(), (role, given, seconds) => {
      const login = role === "sensor" ? `sensor:${given.sensorRef}` : "ada";
      const token: NewToken = {
        use: "access",
        identity: { id: "7", login, version: "3" },
        role,
        ...(role === "sensor" ? { grant: given, sensorId: "9" } : {}),
        jti: "j",
        family: "f",
        issuedAtMs: seconds * 1_000 + 999,
        lifetimeSeconds: 60,
      };
      const claims = JSON.parse(JSON.stringify(encodeClaims(token, issuer))) as JsonObject;

      expect(decodeClaims(claims, issuer)).toEqual({
        use: "access",
        family: "f",
        identityVersion: "3",
        caller: {
          identityId: "7",
          login,
          role,
          jti: "j",
          expiresAtMs: (seconds + 60) * 1_000,
          ...(role === "sensor" ? { grant: given } : {}),
        },
      });
    }),
  );
});
