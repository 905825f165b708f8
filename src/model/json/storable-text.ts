/**
 * JSON text that PostgreSQL's jsonb can store and that is not nested too deeply for consumers.
 *
 * JSON allows two things that jsonb refuses (PostgreSQL manual, section 8.14): the character NUL and unpaired
 * surrogates. One such value would fail the whole batch it is stored with, so it is found first and refused
 * on its own. `JSON.stringify` writes both as \uXXXX escapes, so only texts with such an escape are examined
 * closely.
 */
import { isAtMostDeep } from "./equality.ts";
import { jsonDepthMax } from "./json-text.ts";
import type { JsonValue } from "./json.ts";

const suspiciousEscape = /\\u(?:0000|d[89a-f])/;
// Consumes whole escapes, so that the text `\\u0000` (a backslash and letters) does not match.
const forbiddenEscape = /\\(?:u0000|ud[89a-f][0-9a-f]{2}|.)/g;

export type JsonText =
  { readonly kind: "text"; readonly text: string } | { readonly kind: "unstorable"; readonly reason: string };

export function storableText(value: JsonValue): JsonText {
  if (!isAtMostDeep(value, jsonDepthMax))
    return { kind: "unstorable", reason: `it is nested more than ${jsonDepthMax} levels deep` };
  const text = JSON.stringify(value);
  if (!suspiciousEscape.test(text)) return { kind: "text", text };
  for (const [escape] of text.matchAll(forbiddenEscape)) {
    if (escape === "\\u0000") return unstorable("the character NUL (\\u0000)");
    if (escape.startsWith("\\ud")) return unstorable(`half a surrogate pair (${escape})`);
  }
  return { kind: "text", text };
}

function unstorable(what: string): JsonText {
  return { kind: "unstorable", reason: `it contains ${what}, which PostgreSQL cannot store` };
}
