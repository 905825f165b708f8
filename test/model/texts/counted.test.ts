import { expect, test } from "vitest";
import { counted } from "../../../src/model/texts/counted.ts";

test("only one is written in the singular", () => {
  expect([0, 1, 2].map((count) => counted(count, "event"))).toEqual(["0 events", "1 event", "2 events"]);
});
