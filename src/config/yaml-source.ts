/**
 * YAML that remembers where everything stands, so that a problem found later can name its line.
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
  /** Whether something is written at that path, if only a key without a value. */
  readonly has: (path: Path) => boolean;
  /** Whether nothing is written where the value at that path belongs: `value:`, which reads as null. */
  readonly isBlank: (path: Path) => boolean;
  /** The line (from 1) of the value at that path, or of the nearest enclosing one that exists. */
  readonly lineOf: (path: Path) => number;
}

export type YamlResult =
  | { readonly kind: "parsed"; readonly source: YamlSource }
  | { readonly kind: "broken"; readonly problems: readonly YamlProblem[] };

export interface YamlProblem {
  readonly line: number;
  /** Empty where the text cannot be read so far that it has places. */
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
      // `{{ a }} and more` is a mapping with a text behind it, of which the library complains.
      const hint = written[line - 1]?.includes("{{") === true ? `; if this is a template, ${quotes}` : "";
      return { line, path: [], reason: `${message}${hint}` };
    });
    return { kind: "broken", problems };
  }
  const keys = collectionKeys(document.contents);
  if (keys.length > 0) {
    const problems = keys.map(({ path, key }): YamlProblem => {
      const [start] = key.range ?? [0];
      // The key of `{{ a }}` begins at its second brace, and where the template is itself a key, at its first.
      const isTemplate = text.slice(Math.max(start - 1, 0), start + 2).includes("{{");
      const reason = isTemplate ? `is a template without quotes; ${quotes}` : "has a key that is no text";
      return { line: lineAt(start), path, reason };
    });
    return { kind: "broken", problems };
  }

  const lineOf = (path: Path): number => {
    for (let length = path.length; length > 0; length -= 1) {
      const parent = document.getIn(path.slice(0, length - 1), true);
      const last = path[length - 1];
      // A key's line, not its value's: a block value begins on the line after its key.
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
 * The line on which brackets, or indentation, get deeper than is ever used. The library reads nested
 * collections by recursion and ends the process over a few thousand of them.
 */
function lineTooDeep(text: string): number | undefined {
  const indented = deepIndentation.exec(text);
  if (indented !== null) return text.slice(0, indented.index).split("\n").length;
  // Brackets may stand in texts; only the lexer knows. Few files have that many.
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
  /** Of the mapping that has it. */
  readonly path: Path;
  readonly key: Node;
}

/**
 * Mappings whose key is a mapping or a list, one key of each. YAML allows them and JavaScript does not; and
 * hardly anybody means one: `{{ event.x }}` without quotes is a mapping whose only key is `{ event.x }`.
 */
function collectionKeys(node: unknown, path: Path = []): readonly CollectionKey[] {
  if (isSeq(node)) return node.items.flatMap((item, index) => collectionKeys(item, [...path, index]));
  if (!isMap(node)) return [];
  const key = node.items.map((pair) => pair.key).find((each) => isCollection(each));
  if (key !== undefined) return [{ path, key }];
  return node.items.flatMap((pair) => collectionKeys(pair.value, [...path, keyText(pair.key)]));
}
