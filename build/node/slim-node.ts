/**
 * Empties the large parts of Node that the executable has no use for. What is around them stays as it was, in
 * content and in place, and they compress to nothing: 10 of 49 MB.
 *
 * - The compiler that takes types out of TypeScript (amaro). The executable runs the scripts inside it, which
 *   are JavaScript.
 * - What ICU knows of other languages than English, and how it divides text into words. Asked for another, it
 *   answers in its root language, as it does for one that it does not know. Time zones, encodings and
 *   normal forms are for all languages and stay.
 */
import assert from "node:assert/strict";
import { readIcuItems } from "./icu-data.ts";

/** WebAssembly's first bytes, `\0asm`, in base64; the shortest of its kind that is worth it. */
const module = /AGFzbQ[A-Za-z0-9+/]{1000000,}/g;

/** `de.res`, `zone/pt_BR.res`; not `root.res` nor `res_index.res`, nor what is named for what it is about. */
const otherLanguage = /(?:^|\/)(?!en[_.]|res_index)[a-z]{2,3}(?:_[A-Za-z0-9]+)*\.res$/;
const wordsOrScripts = /^(?:brkitr\/.+\.dict|brkitr\/.+_model\w*\.res|translit\/.+)$/;
const emptiedBytesMin = 20_000_000;

export function slimNode(node: Buffer): Buffer {
  const slim = Buffer.from(node);
  emptyCompiler(slim);
  emptyLanguages(slim);
  return slim;
}

function emptyCompiler(node: Buffer): void {
  // latin1 maps every byte to one character, so that offsets are the same.
  const modules = [...node.toString("latin1").matchAll(module)];
  assert.equal(modules.length, 1, "Node does not hold what this build knows of its TypeScript compiler");
  // A run of `A` is base64 of zeros.
  for (const { 0: text, index } of modules) node.fill("A", index, index + text.length);
}

function emptyLanguages(node: Buffer): void {
  const emptied = readIcuItems(node).filter(
    ({ name }) => otherLanguage.test(name) || wordsOrScripts.test(name),
  );
  for (const { start, end } of emptied) node.fill(0, start, end);
  const bytes = emptied.reduce((sum, { start, end }) => sum + end - start, 0);
  assert(bytes > emptiedBytesMin, "ICU's data does not have the languages that this build knows");
}
