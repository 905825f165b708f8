import { expect, test } from "vitest";
import { decodeKeepLimits, describeKeepLimits } from "../../../src/model/retention/keep-limits.ts";

test.each([
  ["30", { days: 30, rows: null, bytes: null }],
  ["30 days", { days: 30, rows: null, bytes: null }],
  ["1.5d", { days: 1.5, rows: null, bytes: null }],
  ["12 hours", { days: 0.5, rows: null, bytes: null }],
  ["1000000 rows", { days: null, rows: 1_000_000, bytes: null }],
  ["7 days, 20 GB", { days: 7, rows: null, bytes: 20e9 }],
  ["0", { days: null, rows: null, bytes: null }],
])("%s keeps %o", (text, limits) => {
  expect(decodeKeepLimits(text)).toEqual({ kind: "valid", value: limits });
});

test.each(["", "soon", "-1", "30 weeks", "1 GB 2 GB", "1 GB, 2 MB"])("%j is refused", (text) => {
  expect(decodeKeepLimits(text).kind).toBe("invalid");
});

test("limits are named in words", () => {
  expect(describeKeepLimits({ days: 7, rows: null, bytes: 100 })).toBe("7 days, 100 bytes");
  expect(describeKeepLimits({ days: 30, rows: null, bytes: 2e9 })).toBe("30 days, 2 GB");
  expect(describeKeepLimits({ days: 1.5, rows: null, bytes: 1.25e6 })).toBe("36 hours, 1.3 MB");
  expect(describeKeepLimits({ days: 1 / 24, rows: null, bytes: null })).toBe("1 hour");
  expect(describeKeepLimits({ days: 1, rows: 1, bytes: null })).toBe("1 day, 1 row");
  expect(describeKeepLimits({ days: null, rows: null, bytes: null })).toBe("everything");
});
