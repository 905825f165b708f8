import fc from "fast-check";
import { expect, test } from "vitest";
import { KeyCipher, type KeyPlace } from "../../src/keys/key-cipher.ts";
import { parseJson } from "../../src/model/json/json-text.ts";
import { jsonTexts } from "../support/json-texts.ts";

const place: KeyPlace = { ref: "jira.token", ownerType: "pack", ownerRef: "jira" };
const present = "a-present-key-of-at-least-32-bytes-xxxx";
const former = "a-former-key-of-at-least-32-bytes-yyyyy";

test("every JSON value comes back exactly, and no two sealed values are alike", () => {
  const cipher = new KeyCipher(present, undefined);
  fc.assert(
    fc.property(jsonTexts, (text) => {
      const value = parseJson(text);
      const sealed = cipher.seal(place, value);

      expect(JSON.stringify(cipher.open(place, sealed)?.value)).toBe(JSON.stringify(value));
      expect(cipher.seal(place, value).sealed).not.toEqual(sealed.sealed);
    }),
  );
});

test("a value opens in its own place only", () => {
  const cipher = new KeyCipher(present, undefined);
  const sealed = cipher.seal(place, "secret");

  for (const other of [
    { ...place, ref: "jira.other" },
    { ...place, ownerType: "sensor" },
    { ...place, ownerRef: "salesforce" },
    { ...place, ownerRef: null },
  ]) {
    expect(cipher.open(other, sealed)).toBeUndefined();
  }
});

test("a value that was changed in any byte, or cut, does not open", () => {
  const cipher = new KeyCipher(present, undefined);
  const { sealed, encryptionKey } = cipher.seal(place, { token: "secret" });

  for (const index of sealed.keys()) {
    const changed = Buffer.from(sealed);
    changed[index] = (changed[index] ?? 0) ^ 1;
    expect(cipher.open(place, { sealed: changed, encryptionKey })).toBeUndefined();
    expect(cipher.open(place, { sealed: sealed.subarray(0, index), encryptionKey })).toBeUndefined();
  }
});

test("the previous key opens and never seals; any other key opens nothing", () => {
  const before = new KeyCipher(former, undefined).seal(place, "secret");
  const rotating = new KeyCipher(present, former);

  expect(rotating.open(place, before)).toEqual({ value: "secret" });
  expect(rotating.seal(place, "secret").encryptionKey).toBe(rotating.currentName);
  expect(rotating.currentName).toBe(new KeyCipher(present, undefined).currentName);
  expect(rotating.currentName).not.toBe(before.encryptionKey);
  const other = new KeyCipher(present, undefined);
  expect(other.open(place, before)).toBeUndefined();
  expect(other.open(place, { ...before, encryptionKey: other.currentName })).toBeUndefined();
});
