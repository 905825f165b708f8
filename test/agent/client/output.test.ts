import { expect, test } from "vitest";
import { listText } from "../../../src/agent/client/output.ts";

test("a value that is too long for a table is cut between characters", () => {
  const text = listText([{ label: `${"a".repeat(58)}🌡🌡` }], [["LABEL", "label"]], "table");

  expect(text).toBe(`LABEL\n${"a".repeat(58)}…\n`);
});
