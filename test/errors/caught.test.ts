import { expect, test } from "vitest";
import { codeOf, errorOf, hasCode, messageOf } from "../../src/errors/caught.ts";

const missing = Object.assign(new Error("no such file"), { code: "ENOENT" });

test.each([
  [missing, "no such file"],
  ["thrown text", "thrown text"],
  [undefined, "undefined"],
])("the message of %o is %s", (caught, message) => {
  expect(messageOf(caught)).toBe(message);
  expect(errorOf(caught).message).toBe(message);
});

test("an error stays itself, with its code and cause", () => {
  expect(errorOf(missing)).toBe(missing);
});

test("a code is read from errors only, and only where it is a text", () => {
  expect(codeOf(missing)).toBe("ENOENT");
  expect(codeOf(Object.assign(new Error("refused"), { code: 404 }))).toBeUndefined();
  expect(codeOf({ code: "ENOENT" })).toBeUndefined();
  expect(codeOf(undefined)).toBeUndefined();
});

test("a code is compared with each that is asked for", () => {
  expect(hasCode(missing, "EACCES", "ENOENT")).toBe(true);
  expect(hasCode(missing, "EACCES")).toBe(false);
  expect(hasCode(new Error("without a code"), "")).toBe(false);
});
