/**
 * YAML that remembers where everything stands, so that a problem found later can name its line.
 */
import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from "yaml";

export type Path = readonly (string | number)[];

export interface YamlSource {
  readonly value: unknown;
  /** Whether something is written at that path, if only a key without a value. */
  readonly has: (path: Path) => boolean;
  /** The line (from 1) of the value at that path, or of the nearest enclosing one that exists. */
  readonly lineOf: (path: Path) => number;
}

export type YamlResult =
  | { readonly kind: "parsed"; readonly source: YamlSource }
  | { readonly kind: "broken"; readonly problems: readonly { line: number; reason: string }[] };

export function parseYaml(text: string): YamlResult {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineAt = (offset: number): number => Math.max(lines.linePos(offset).line, 1);

  if (document.errors.length > 0) {
    const problems = document.errors.map(({ pos, message }) => ({ line: lineAt(pos[0]), reason: message }));
    return { kind: "broken", problems };
  }

  const lineOf = (path: Path): number => {
    for (let length = path.length; length > 0; length -= 1) {
      const parent = document.getIn(path.slice(0, length - 1), true);
      const last = path[length - 1];
      // A key's line, not its value's: a block value begins on the line after its key.
      const pair = isMap(parent)
        ? parent.items.find(({ key }) => isScalar(key) && key.value === last)
        : undefined;
      const node = pair?.key ?? document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return lineAt(node.range[0]);
    }
    return 1;
  };
  const value = plainValue(document);
  if (value.kind === "refused") return { kind: "broken", problems: [{ line: 1, reason: value.reason }] };
  return { kind: "parsed", source: { value: value.value, lineOf, has: (path) => document.hasIn(path) } };
}

/** A few lines of aliases can stand for gigabytes; the library refuses that by throwing. */
function plainValue(
  document: Document,
): { kind: "plain"; value: unknown } | { kind: "refused"; reason: string } {
  try {
    return { kind: "plain", value: document.toJS({ maxAliasCount: 100 }) };
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    return { kind: "refused", reason: error.message };
  }
}
