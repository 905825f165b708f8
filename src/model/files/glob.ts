/**
 * Patterns of paths, as shells and gitignore know them: `*` and `?` within a name, `[abc]`, `[a-z]` and `[!a-z]`, `{a,b}`, and
 * `**` for any number of folders. A backslash makes the next character an ordinary one. Names that begin with a dot are like
 * others.
 *
 * Matching takes at most (length of the pattern × length of the path) steps, whatever the pattern is.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";

export interface Glob {
  /** @param path relative, with `/` between its names */
  matches(path: string): boolean;
}

type Token =
  | { readonly kind: "literal"; readonly character: string }
  | { readonly kind: "one" }
  | { readonly kind: "many" }
  | {
      readonly kind: "set";
      readonly isNegated: boolean;
      readonly ranges: readonly (readonly [string, string])[];
    };

type Segment = readonly Token[] | typeof anyFolders;

const anyFolders = "**";
const alternativesMax = 64;
const lengthMax = 4_096;

/** Whether the text is a pattern instead of a path. */
export function isGlob(text: string): boolean {
  return /[*?[{\\]/.test(text);
}

/** A pattern without `/` matches names at any depth. */
export function compileGlob(pattern: string): Decoded<Glob> {
  if (pattern === "") return invalid("must not have an empty pattern; write one like *.csv");
  if (pattern.length > lengthMax)
    return invalid(`must have patterns of at most ${lengthMax} characters, not ${pattern.length}`);
  const alternatives = expandBraces(pattern);
  if (alternatives === undefined) {
    return invalid(
      `has the pattern ${pattern} with more than ${alternativesMax} alternatives or an unclosed {; write \\{ for the character`,
    );
  }
  const compiled: (readonly Segment[])[] = [];
  for (const alternative of alternatives) {
    const anchored = alternative.includes("/") ? alternative.replace(/^\//, "") : `**/${alternative}`;
    const segments: Segment[] = [];
    for (const text of anchored.split("/")) {
      if (text === "") return invalid(`has the pattern ${pattern} with an empty name; remove the extra /`);
      if (text === anyFolders) {
        segments.push(anyFolders);
        continue;
      }
      const tokens = tokensOf(text);
      if (tokens === undefined)
        return invalid(`has the pattern ${pattern} with an unclosed [; write \\[ for the character`);
      segments.push(tokens);
    }
    compiled.push(segments);
  }
  return valid({
    matches: (path) => {
      const names = path.split("/");
      return compiled.some((segments) => matchesSegments(segments, names));
    },
  });
}

/** @returns undefined if there are too many, or a brace is not closed */
function expandBraces(pattern: string): readonly string[] | undefined {
  const open = unescapedIndex(pattern, "{", 0);
  if (open === -1) return [pattern];
  const parts: string[] = [];
  let depth = 0;
  let begin = open + 1;
  for (let index = open; index < pattern.length; index += 1) {
    const character = pattern[index];
    if (character === "\\") index += 1;
    else if (character === "{") depth += 1;
    else if (character === "," && depth === 1) {
      parts.push(pattern.slice(begin, index));
      begin = index + 1;
    } else if (character === "}") {
      depth -= 1;
      if (depth > 0) continue;
      parts.push(pattern.slice(begin, index));
      const expanded: string[] = [];
      for (const part of parts) {
        const whole = pattern.slice(0, open) + part + pattern.slice(index + 1);
        const further = expandBraces(whole);
        if (further === undefined || expanded.length + further.length > alternativesMax) return undefined;
        expanded.push(...further);
      }
      return expanded;
    }
  }
  return undefined;
}

function unescapedIndex(text: string, wanted: string, from: number): number {
  for (let index = from; index < text.length; index += 1) {
    if (text[index] === "\\") index += 1;
    else if (text[index] === wanted) return index;
  }
  return -1;
}

/** @returns undefined if a set is not closed */
function tokensOf(text: string): readonly Token[] | undefined {
  const tokens: Token[] = [];
  const characters = Array.from(text);
  for (let index = 0; index < characters.length; index += 1) {
    const character = characters[index] ?? "";
    if (character === "*") {
      if (tokens.at(-1)?.kind !== "many") tokens.push({ kind: "many" });
    } else if (character === "?") {
      tokens.push({ kind: "one" });
    } else if (character === "[") {
      const end = characters.indexOf("]", index + 2);
      if (end === -1) return undefined;
      tokens.push(setOf(characters.slice(index + 1, end)));
      index = end;
    } else {
      if (character === "\\" && index + 1 < characters.length) index += 1;
      tokens.push({ kind: "literal", character: characters[index] ?? "" });
    }
  }
  return tokens;
}

function setOf(characters: readonly string[]): Token {
  const isNegated = characters[0] === "!" || characters[0] === "^";
  const members = isNegated ? characters.slice(1) : characters;
  const ranges: [string, string][] = [];
  for (let index = 0; index < members.length; index += 1) {
    const first = members[index] ?? "";
    const last = members[index + 1] === "-" ? members[index + 2] : undefined;
    ranges.push([first, last ?? first]);
    if (last !== undefined) index += 2;
  }
  return { kind: "set", isNegated, ranges };
}

/** Greedy with one way back, to the last `**`: an earlier one can take no more than a later one. */
function matchesSegments(segments: readonly Segment[], names: readonly string[]): boolean {
  return matchesSequence(
    segments,
    names,
    (segment) => segment === anyFolders,
    (segment, name) => segment !== anyFolders && matchesTokens(segment, Array.from(name)),
  );
}

function matchesTokens(tokens: readonly Token[], characters: readonly string[]): boolean {
  return matchesSequence(tokens, characters, ({ kind }) => kind === "many", matchesCharacter);
}

function matchesCharacter(token: Token, character: string): boolean {
  switch (token.kind) {
    case "literal":
      return token.character === character;
    case "one":
    case "many":
      return true;
    case "set":
      return (
        token.ranges.some(([first, last]) => first <= character && character <= last) !== token.isNegated
      );
  }
}

function matchesSequence<Part, Item>(
  parts: readonly Part[],
  items: readonly Item[],
  isMany: (part: Part) => boolean,
  isMatch: (part: Part, item: Item) => boolean,
): boolean {
  let partIndex = 0;
  let itemIndex = 0;
  let many: { readonly partIndex: number; itemIndex: number } | undefined;
  for (let item = items[0]; item !== undefined; item = items[itemIndex]) {
    const part = parts[partIndex];
    if (part !== undefined && isMany(part)) {
      many = { partIndex, itemIndex };
      partIndex += 1;
    } else if (part !== undefined && isMatch(part, item)) {
      partIndex += 1;
      itemIndex += 1;
    } else if (many === undefined) {
      return false;
    } else {
      many.itemIndex += 1;
      itemIndex = many.itemIndex;
      partIndex = many.partIndex + 1;
    }
  }
  return parts.slice(partIndex).every(isMany);
}
