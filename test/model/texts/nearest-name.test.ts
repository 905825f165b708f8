import { expect, test } from "vitest";
import { nearestName } from "../../../src/model/texts/nearest-name.ts";

test("a misspelling finds the name that was meant", () => {
  expect(nearestName("entrypont", ["ref", "entrypoint", "enabled"])).toBe("entrypoint");
});

test("another word finds nothing, and neither does any word when nothing is known", () => {
  expect(nearestName("colour", ["ref", "entrypoint"])).toBeUndefined();
  expect(nearestName("ref", [])).toBeUndefined();
});
