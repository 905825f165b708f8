import { expect, test } from "vitest";
import { durationText } from "../../../src/model/texts/duration-text.ts";

test("a duration is given in the largest unit that it fills at least twice", () => {
  expect([0.2, 59, 119, 120, 3_600, 7_200, 86_400, 172_800].map(durationText)).toEqual([
    "0 s",
    "59 s",
    "119 s",
    "2 min",
    "60 min",
    "2 h",
    "24 h",
    "2 d",
  ]);
  expect(durationText(-3)).toBe("0 s");
});
