import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { secretWeakness } from "../../../src/model/identity/secret-strength.ts";

test.each([
  { secret: "", reason: /0 bytes/ },
  { secret: "hunter2", reason: /7 bytes/ },
  { secret: "x".repeat(31), reason: /31 bytes/ },
  { secret: "a".repeat(64), reason: /regular/ },
  { secret: "abc".repeat(20), reason: /regular/ },
  { secret: "your-256-bit-secret-your-256-bit-secret", reason: /placeholder/ },
  { secret: "change-me-in-production-please-change", reason: /placeholder/ },
  { secret: "CHANGEME_CHANGEME_CHANGEME_CHANGEME", reason: /placeholder/ },
  { secret: "attune-dev-secret-do-not-use-anywhere-else", reason: /placeholder/ },
  { secret: "0123456789abcdef0123456789abcdef", reason: /placeholder/ },
])("$secret is refused", ({ secret, reason }) => {
  const weakness = secretWeakness(secret);

  expect(weakness).toMatch(reason);
  if (secret !== "") expect(weakness).not.toContain(secret);
});

test("a random secret is accepted in every usual encoding", () => {
  fc.assert(
    fc.property(fc.constantFrom("hex", "base64", "base64url"), (encoding) => {
      expect(secretWeakness(randomBytes(32).toString(encoding))).toBeUndefined();
    }),
    { numRuns: 1_000 },
  );
});
