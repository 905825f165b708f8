import fc from "fast-check";
import { expect, test } from "vitest";
import { instantText } from "../../../src/model/texts/instants.ts";

test("the spellings of one instant become one text in UTC", () => {
  for (const text of [
    "2026-01-31T12:00:00Z",
    "2026-01-31t12:00:00z",
    "2026-01-31 12:00:00Z",
    "2026-01-31T12:00:00+00:00",
    "2026-01-31T12:00:00-00:00",
    "2026-01-31T12:00:00+0000",
    "2026-01-31T12:00:00+00",
    "2026-01-31 13:00:00 +0100",
    "2026-01-31T13:00:00+01",
    "2026-01-31T17:30:00+05:30",
    "2026-01-31T17:30:00+0530",
    "2026-01-30T23:00:00-13:00",
    "2026-02-01T02:00:00.0+14:00",
  ]) {
    expect([text, instantText(text)]).toEqual([text, "2026-01-31T12:00:00.000Z"]);
  }
});

test("a fraction keeps its digits, up to the microseconds that the database holds", () => {
  expect(instantText("2026-01-31T12:00:00.5Z")).toBe("2026-01-31T12:00:00.500Z");
  expect(instantText("2026-01-31T12:00:00.123456+01:00")).toBe("2026-01-31T11:00:00.123456Z");
  expect(instantText("2026-01-31T12:00:00.123456789Z")).toBe("2026-01-31T12:00:00.123456Z");
  expect(instantText("2026-01-31T23:59:59.9999999Z")).toBe("2026-01-31T23:59:59.999999Z");
});

test("a leap second is the second after it, wherever in the world it was written", () => {
  expect(instantText("2026-06-30T23:59:60Z")).toBe("2026-07-01T00:00:00.000Z");
  expect(instantText("2016-12-31T23:59:60.5Z")).toBe("2017-01-01T00:00:00.500Z");
  expect(instantText("2017-01-01T00:59:60+01:00")).toBe("2017-01-01T00:00:00.000Z");
  expect(instantText("2016-12-31T15:59:60-0800")).toBe("2017-01-01T00:00:00.000Z");
});

test("a nonexistent or ambiguous time is not an instant", () => {
  for (const text of [
    "2026-02-30T12:00:00Z",
    "2026-02-29T12:00:00Z",
    "1900-02-29T12:00:00Z",
    "2026-04-31T12:00:00Z",
    "2026-13-01T12:00:00Z",
    "2026-00-10T12:00:00Z",
    "2026-01-00T12:00:00Z",
    "2026-01-32T12:00:00Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T12:60:00Z",
    "2026-01-31T12:00:61Z",
    "2026-01-31T12:00:60Z",
    "2026-06-15T23:59:60Z",
    "2026-06-30T23:59:60+01:00",
    "2026-01-31T12:00:00+24:00",
    "2026-01-31T12:00:00+01:60",
    "2026-01-31T12:00:00",
    "2026-01-31T12:00Z",
    "2026-01-31",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "+12026-01-31T12:00:00Z",
    " 2026-01-31T12:00:00Z",
    "2026-01-31T12:00:00Z ",
    "2026-01-31T12:00:00Z\n",
    "2026-01-31T12:00:00,5Z",
    "Sat, 31 Jan 2026 12:00:00 GMT",
    "1769860800",
    "",
  ]) {
    expect([text, instantText(text)]).toEqual([text, undefined]);
  }
});

test("the first and the last years are kept", () => {
  expect(instantText("0001-01-01T00:00:00Z")).toBe("0001-01-01T00:00:00.000Z");
  expect(instantText("0099-03-01T00:00:00Z")).toBe("0099-03-01T00:00:00.000Z");
  expect(instantText("9999-12-31T23:59:59.999999Z")).toBe("9999-12-31T23:59:59.999999Z");
  expect(instantText("2024-02-29T00:00:00Z")).toBe("2024-02-29T00:00:00.000Z");
});

test("every date that JavaScript can write comes back as it is", () => {
  const dates = fc.date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z") });
  fc.assert(
    fc.property(dates, (date) => {
      fc.pre(!Number.isNaN(date.getTime()));
      expect(instantText(date.toISOString())).toBe(date.toISOString());
    }),
  );
});
