/**
 * Parses YAML and keeps the position of every value, so that a problem found later can name its line.
 */
import {
  isCollection,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  parseDocument,
  type Node,
} from "yaml";
import { jsonDepthMax } from "../model/json/json-text.ts";
import type { JsonValue } from "../model/json/json.ts";
import { keyText, valueOf, type Path } from "./yaml-value.ts";

export type { Path } from "./yaml-value.ts";

export interface YamlSource {
  readonly value: JsonValue;
  /** Whether the path exists in the file, even as a key without a value. */
  readonly has: (path: Path) => boolean;
  /** Whether the key at the path has no value: `value:`, which reads as null. */
  readonly isBlank: (path: Path) => boolean;
  /** The line (from 1) of the path, or of its nearest existing ancestor. */
  readonly lineOf: (path: Path) => number;
}

export type YamlResult =
  | { readonly kind: "parsed"; readonly source: YamlSource }
  | { readonly kind: "broken"; readonly problems: readonly YamlProblem[] };

export interface YamlProblem {
  readonly line: number;
  /** Empty if the text could not be parsed far enough to have paths. */
  readonly path: Path;
  readonly reason: string;
}

export function parseYaml(text: string): YamlResult {
  const tooDeep = lineTooDeep(text);
  if (tooDeep !== undefined) {
    const reason = `is nested more than ${jsonDepthMax} levels deep`;
    return { kind: "broken", problems: [{ line: tooDeep, path: [], reason }] };
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineAt = (offset: number): number => Math.max(lines.linePos(offset).line, 1);

  if (document.errors.length > 0) {
    const written = text.split("\n");
    const problems = document.errors.map(({ pos, message }): YamlProblem => {
      const line = lineAt(pos[0]);
      // `{{ a }} and more` reads as a mapping followed by text, which the library rejects.
      const hint = written[line - 1]?.includes("{{") === true ? `; if this is a template, ${quotes}` : "";
      return { line, path: [], reason: `${message}${hint}` };
    });
    return { kind: "broken", problems };
  }
  const keys = collectionKeys(document.contents);
  if (keys.length > 0) {
    const problems = keys.map(({ path, key }): YamlProblem => {
      const [start] = key.range ?? [0];
      // The key of `{{ a }}` begins at the second brace, or at the first if the template is itself a key.
      const isTemplate = text.slice(Math.max(start - 1, 0), start + 2).includes("{{");
      const reason = isTemplate
        ? `is a template without quotes; ${quotes}`
        : "has a key that is not a string";
      return { line: lineAt(start), path, reason };
    });
    return { kind: "broken", problems };
  }

  const lineOf = (path: Path): number => {
    for (let length = path.length; length > 0; length -= 1) {
      const parent = document.getIn(path.slice(0, length - 1), true);
      const last = path[length - 1];
      // Use the key's line, because a block value begins on the line after its key.
      const pair = isMap(parent)
        ? parent.items.find(({ key }) => isScalar(key) && keyText(key) === last)
        : undefined;
      const node = pair?.key ?? document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return lineAt(node.range[0]);
    }
    return 1;
  };
  const isBlank = (path: Path): boolean => {
    const node = document.getIn(path, true);
    if (node === undefined) return document.hasIn(path); // The `value` of `{ value }`.
    return isScalar(node) && node.value === null && node.source === "" && node.tag === undefined;
  };
  const result = valueOf(document);
  if (result.kind === "unusable") {
    const problems = result.problems.map(({ path, offset, reason }) => ({
      line: lineAt(offset),
      path,
      reason,
    }));
    return { kind: "broken", problems };
  }
  return {
    kind: "parsed",
    source: { value: result.value, lineOf, has: (path) => document.hasIn(path), isBlank },
  };
}

/**
 * The line on which brackets or indentation exceed the depth limit. The library reads nested collections
 * recursively and crashes the process at a few thousand levels.
 */
function lineTooDeep(text: string): number | undefined {
  const indented = deepIndentation.exec(text);
  if (indented !== null) return text.slice(0, indented.index).split("\n").length;
  // Brackets may be inside strings, which only the lexer can tell. Few files have this many.
  if (text.split(/[[{]/, jsonDepthMax + 2).length <= jsonDepthMax + 1) return undefined;
  let depth = 0;
  let line = 1;
  for (const token of new Lexer().lex(text)) {
    if (token === "[" || token === "{") depth += 1;
    else if (token === "]" || token === "}") depth -= 1;
    if (depth > jsonDepthMax) return line;
    line += token.split("\n").length - 1;
  }
  return undefined;
}

const deepIndentation = new RegExp(String.raw`^(?: |[-?] ){${2 * jsonDepthMax}}`, "m");

const quotes = 'put the template in quotes: "{{ … }}"';

interface CollectionKey {
  /** Path of the mapping with that key. */
  readonly path: Path;
  readonly key: Node;
}

/**
 * Finds mappings with a mapping or a list as key, and returns one such key of each. YAML allows them but JSON
 * does not, and they are rarely intended: `{{ event.x }}` without quotes is a mapping whose only key is
 * `{ event.x }`.
 */
function collectionKeys(node: unknown, path: Path = []): readonly CollectionKey[] {
  if (isSeq(node)) return node.items.flatMap((item, index) => collectionKeys(item, [...path, index]));
  if (!isMap(node)) return [];
  const key = node.items.map((pair) => pair.key).find((each) => isCollection(each));
  if (key !== undefined) return [{ path, key }];
  return node.items.flatMap((pair) => collectionKeys(pair.value, [...path, keyText(pair.key)]));
}
