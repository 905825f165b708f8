/** Attacks on signed tokens: none gets past the signature. */
import { createHmac, generateKeyPairSync, sign as signWith } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { TokenCodec } from "../../src/tokens/token-codec.ts";

const secret = "the secret of this installation, long enough";
const nowMs = Date.parse("2026-01-01T00:00:00Z");
const claims = { sub: "1", exp: nowMs / 1_000 + 60, token_type: "access", scope: "viewer" };
const codec = new TokenCodec([secret]);

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

function signed(header: object, payload: object, key: string, hash = "sha256"): string {
  const input = `${encoded(header)}.${encoded(payload)}`;
  return `${input}.${createHmac(hash, key).update(input).digest("base64url")}`;
}

test("a token that was signed with the secret is valid until it expires", async () => {
  const token = await codec.sign(claims);

  expect(await codec.verify(token, nowMs)).toEqual(claims);
  expect(await codec.verify(token, nowMs + 59_999)).toEqual(claims);
  expect(await codec.verify(token, nowMs + 60_000)).toBeUndefined();
  expect(await codec.verify(signed({ alg: "HS256" }, claims, secret), nowMs)).toEqual(claims);
});

test.each([
  { what: "no algorithm", token: `${encoded({ alg: "none" })}.${encoded(claims)}.` },
  { what: "no algorithm, spelled otherwise", token: `${encoded({ alg: "nOnE" })}.${encoded(claims)}.` },
  { what: "no signature", token: `${encoded({ alg: "HS256" })}.${encoded(claims)}.` },
  { what: "another secret", token: signed({ alg: "HS256" }, claims, `${secret} `) },
  { what: "no secret", token: signed({ alg: "HS256" }, claims, "") },
  { what: "a longer hash", token: signed({ alg: "HS512" }, claims, secret, "sha512") },
  { what: "a shorter hash", token: signed({ alg: "HS1" }, claims, secret, "sha1") },
  { what: "a header without an algorithm", token: signed({}, claims, secret) },
  {
    what: "a critical extension",
    token: signed({ alg: "HS256", crit: ["b64"], b64: false }, claims, secret),
  },
  { what: "a key of its own", token: signed({ alg: "HS256", jwk: { kty: "oct", k: "YQ" } }, claims, "a") },
  {
    what: "a key of its own elsewhere",
    token: signed({ alg: "HS256", jku: "https://evil.example" }, claims, "a"),
  },
  { what: "claims that are no object", token: signed({ alg: "HS256" }, ["admin"], secret) },
  { what: "no expiry", token: signed({ alg: "HS256" }, { ...claims, exp: undefined }, secret) },
  {
    what: "an expiry that is text",
    token: signed({ alg: "HS256" }, { ...claims, exp: "9999999999" }, secret),
  },
  {
    what: "a beginning in the future",
    token: signed({ alg: "HS256" }, { ...claims, nbf: claims.exp }, secret),
  },
  { what: "nothing in it", token: ".." },
  { what: "no dots", token: "admin" },
])("a token with $what is refused", async ({ token }) => {
  expect(await codec.verify(token, nowMs)).toBeUndefined();
});

test("a token signed with a private key is refused, whatever the public key", async () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const input = `${encoded({ alg: "RS256" })}.${encoded(claims)}`;
  const token = `${input}.${signWith("sha256", Buffer.from(input), privateKey).toString("base64url")}`;

  expect(await codec.verify(token, nowMs)).toBeUndefined();
});

test("claims swapped between two valid tokens are refused", async () => {
  const [header, , signature] = (await codec.sign(claims)).split(".");
  const [, payload] = (await codec.sign({ ...claims, scope: "admin" })).split(".");

  expect(await codec.verify([header, payload, signature].join("."), nowMs)).toBeUndefined();
});

test("a token with any character changed is refused", async () => {
  const token = await codec.sign(claims);
  const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

  await fc.assert(
    fc.asyncProperty(
      fc.nat(token.length - 1),
      fc.constantFrom(...characters.split("")),
      async (at, other) => {
        const changed = token.slice(0, at) + other + token.slice(at + 1);
        const decoded = await codec.verify(changed, nowMs);
        // The last character of a signature has bits that decoding ignores.
        expect(changed === token || at === token.length - 1 ? undefined : decoded).toBeUndefined();
      },
    ),
    { numRuns: 1_000 },
  );
});

test("while a secret is replaced, agents accept each other's tokens, and afterwards not those of the old one", async () => {
  const next = "the next secret of this installation, too";
  const before = new TokenCodec([secret]);
  const prepared = new TokenCodec([secret, next]);
  const swapped = new TokenCodec([next, secret]);
  const after = new TokenCodec([next]);
  const accepts = async (one: TokenCodec, other: TokenCodec): Promise<boolean> =>
    (await other.verify(await one.sign(claims), nowMs)) !== undefined;

  for (const [one, other] of [
    [before, prepared],
    [prepared, swapped],
    [swapped, after],
  ] as const) {
    expect(await accepts(one, other)).toBe(true);
    expect(await accepts(other, one)).toBe(true);
  }
  expect(await accepts(before, after)).toBe(false);
});
