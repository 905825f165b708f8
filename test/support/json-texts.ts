/** JSON as a program may print it: texts, so that a test can compare digits rather than doubles. */
import fc from "fast-check";

const digits = fc.stringMatching(/^[0-9]{1,25}$/);

/** Every form that RFC 8259 gives numbers. */
export const numberTexts: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom("", "-"),
    fc.oneof(fc.constant("0"), fc.stringMatching(/^[1-9][0-9]{0,24}$/)),
    fc.oneof(
      fc.constant(""),
      digits.map((text) => `.${text}`),
    ),
    fc.oneof(
      { weight: 3, arbitrary: fc.constant("") },
      { weight: 1, arbitrary: fc.stringMatching(/^[eE][+-]?[0-9]{1,2}$/) },
    ),
  )
  .map((parts) => parts.join(""));

/** Texts, among them some that look like numbers, but without NUL, which the database cannot store. */
const strings = fc.oneof(
  fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\0", "")),
  fc.constantFrom("1.0", ": 1e5", '","12345678901234567890', "-0", "\\", '"', "{{ event.payload.x }}"),
);

/**
 * Values without spaces between their parts, and with names that keep their order in a JavaScript object:
 * read and written again by a program that changes nothing, such a text is the same.
 */
export const jsonTexts: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    numberTexts,
    strings.map((text) => JSON.stringify(text)),
    fc.constantFrom("true", "false", "null"),
    fc.array(tie("value"), { maxLength: 5 }).map((elements) => `[${elements.join(",")}]`),
    fc
      .uniqueArray(fc.tuple(fc.stringMatching(/^[a-z][a-z0-9 _]{0,8}$/), tie("value")), {
        maxLength: 5,
        selector: ([name]) => name,
      })
      .map((members) => `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`),
  ),
})).value;
