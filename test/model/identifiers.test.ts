import fc from "fast-check";
import { expect, test } from "vitest";
import { messageId, type MessageKind } from "../../src/model/identifiers.ts";

const installation = "0b4c2f8e-9d1a-4c6b-8f3e-2a7d5e9b1c04";
const numbers = fc
  .oneof(fc.bigInt({ min: 0n, max: 2n ** 62n - 1n }), fc.bigInt({ min: 0n, max: 2n ** 50n }))
  .map(String);
const kinds = fc.constantFrom<MessageKind>("event", "enforcement", "ruleChange");

test("a message id is a version 8 UUID that begins with the installation", () => {
  fc.assert(
    fc.property(kinds, numbers, (kind, number) => {
      expect(messageId(installation, kind, number)).toMatch(
        /^0b4c2f8e-9d1a-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      );
    }),
  );
});

test("different facts have different ids, the same fact always the same", () => {
  fc.assert(
    fc.property(kinds, numbers, kinds, numbers, (kind, number, otherKind, otherNumber) => {
      const isSame = kind === otherKind && number === otherNumber;
      expect(messageId(installation, kind, number) === messageId(installation, otherKind, otherNumber)).toBe(
        isSame,
      );
    }),
  );
});

// Goal: the layout in the header of identifiers.ts; the oracle adds the bits up.
test("the last 64 bits are the variant and the number", () => {
  fc.assert(
    fc.property(kinds, numbers, (kind, number) => {
      const last = messageId(installation, kind, number).slice(19).replace("-", "");
      expect(BigInt(`0x${last}`)).toBe(2n ** 63n + BigInt(number));
    }),
  );
});
