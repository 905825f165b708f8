import * as fc from "fast-check";
import { expect, test } from "vitest";
import { traceContext, traceIdOf } from "../../src/model/trace-context.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentId = "00f067aa0ba902b7";
const valid = `00-${traceId}-${parentId}-01`;

test("a valid context is carried as it is", () => {
  expect(traceContext(valid, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")).toEqual({
    traceparent: valid,
    tracestate: "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
  });
  expect(traceIdOf({ traceparent: valid, tracestate: null })).toBe(traceId);
});

test("a later version is read as far as it is known, and passed on in version 00", () => {
  expect(traceContext(`cc-${traceId}-${parentId}-09-what-comes`, undefined)?.traceparent).toBe(valid);
  expect(traceContext(`cc-${traceId}-${parentId}-08`, undefined)?.traceparent).toBe(
    `00-${traceId}-${parentId}-00`,
  );
});

test.each([
  ["another version's form", `00-${traceId}-${parentId}-01-more`],
  ["the forbidden version", `ff-${traceId}-${parentId}-01`],
  ["a trace id of zeros", `00-${"0".repeat(32)}-${parentId}-01`],
  ["a parent id of zeros", `00-${traceId}-${"0".repeat(16)}-01`],
  ["upper case", valid.toUpperCase()],
  ["white space", ` ${valid}`],
  ["a line after it", `${valid}\n`],
  ["two of them", `${valid}, ${valid}`],
  ["no text", 7],
  ["nothing", null],
  ["an object", { traceparent: valid }],
])("no context: %s", (_name, traceparent) => {
  expect(traceContext(traceparent, "a=1")).toBeUndefined();
});

test.each([
  ["a key twice", "a=1,a=2"],
  ["a key in upper case", "A=1"],
  ["no value", "a"],
  ["an equals sign in a value", "a=1=2"],
  ["more than 32 members", Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(",")],
  ["more than 512 characters", `a=${"x".repeat(511)}`],
  ["a line break", "a=1\nb=2"],
  ["no text", 7],
])("an invalid tracestate is left out: %s", (_name, tracestate) => {
  expect(traceContext(valid, tracestate)).toEqual({ traceparent: valid, tracestate: null });
});

test("spaces around the members of a tracestate, and empty members, are no part of it", () => {
  expect(traceContext(valid, " a=1 ,\tb@c=2, ")?.tracestate).toBe("a=1,b@c=2");
});

// Goal: whatever a stranger sends, what is carried on is valid by the same rules.
test("a context that was accepted is accepted again unchanged", () => {
  const hex = (length: number): fc.Arbitrary<string> =>
    fc.string({
      unit: fc.constantFrom(...Array.from("0123456789abcdefF-")),
      minLength: length,
      maxLength: length,
    });
  const traceparent = fc.tuple(hex(2), hex(32), hex(16), hex(2)).map((parts) => parts.join("-"));
  fc.assert(
    fc.property(fc.oneof(traceparent, fc.string()), fc.string(), (parent, state) => {
      const context = traceContext(parent, state);
      if (context === undefined) return;
      expect(traceContext(context.traceparent, context.tracestate)).toEqual(context);
    }),
  );
});
