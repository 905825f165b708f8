/**
 * Conditions written as expressions, as in Event-Driven Ansible (`event.i == 1 and event.x is defined`) and
 * Alertmanager (`severity=~"critical|page"`).
 *
 * `not` binds tighter than `and`, which binds tighter than `or`; parentheses group. Other features of these
 * languages are not understood.
 */
import { jsonNumber } from "../../json/exact-number.ts";
import { isJsonArray, type JsonValue } from "../../json/json.ts";

/** Builds the condition for one comparison; undefined if there is no equivalent. */
export type Compare = (
  field: string,
  operator: string,
  value: JsonValue | undefined,
) => JsonValue | undefined;

const lengthMax = 2_000;

export function rewriteText(text: string, compare: Compare): JsonValue | undefined {
  if (text.length > lengthMax) return undefined;
  const tokens = tokensOf(text);
  if (tokens === undefined) return undefined;
  const reader = new Reader(tokens, compare);
  const condition = reader.alternatives();
  return reader.isAtEnd ? condition : undefined;
}

interface Token {
  readonly kind: "text" | "number" | "word" | "sign";
  readonly text: string;
}

// A word is a path or the name of an operator; a path may contain quoted names in brackets.
const token =
  /\s*(?:(?<text>"(?:[^"\\]|\\.)*"|'[^']*')|(?<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?![\w.]))|(?<word>[\p{L}_@$.][\p{L}\p{N}_@$.:/-]*(?:\[(?:\d+|"[^"]*"|'[^']*')\][\p{L}\p{N}_@$.:/-]*)*)|(?<sign>===?|!==?|=~|!~|>=|<=|&&|\|\||[=<>!()[\],{}]))\s*/uy;

function tokensOf(text: string): readonly Token[] | undefined {
  const tokens: Token[] = [];
  token.lastIndex = 0;
  for (let at = 0; at < text.length; at = token.lastIndex) {
    const groups = token.exec(text)?.groups;
    if (groups === undefined) return undefined;
    for (const kind of ["text", "number", "word", "sign"] as const) {
      const found = groups[kind];
      if (found !== undefined) tokens.push({ kind, text: found });
    }
  }
  return tokens;
}

const nestingMax = 16;

class Reader {
  readonly #tokens: readonly Token[];
  readonly #compare: Compare;
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], compare: Compare) {
    this.#tokens = tokens;
    this.#compare = compare;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#tokens.length;
  }

  alternatives(): JsonValue | undefined {
    return this.#joined("any", ["or", "||"], () =>
      this.#joined("all", ["and", "&&", ","], () => this.#negated()),
    );
  }

  #joined(
    combination: "all" | "any",
    joiners: readonly string[],
    part: () => JsonValue | undefined,
  ): JsonValue | undefined {
    const parts = [part()];
    while (this.#take(...joiners)) parts.push(part());
    if (parts.length === 1) return parts[0];
    return parts.every((each) => each !== undefined) ? { [combination]: parts } : undefined;
  }

  #negated(): JsonValue | undefined {
    if (this.#depth > nestingMax) return undefined;
    this.#depth += 1;
    try {
      if (this.#take("not", "!")) {
        const inner = this.#negated();
        return inner === undefined ? undefined : { not: inner };
      }
      for (const [open, close] of [
        ["(", ")"],
        ["{", "}"],
      ] as const) {
        if (!this.#take(open)) continue;
        const inner = this.alternatives();
        return this.#take(close) ? inner : undefined;
      }
      return this.#comparison();
    } finally {
      this.#depth -= 1;
    }
  }

  #comparison(): JsonValue | undefined {
    const left = this.#next();
    if (left?.kind === "text" || left?.kind === "number") {
      // "a" in event.list
      if (!this.#take("in")) return undefined;
      const list = this.#next();
      return list?.kind === "word" ? this.#compare(list.text, "contains", constant(left)) : undefined;
    }
    if (left?.kind !== "word") return undefined;
    const operator = this.#operator();
    if (operator === undefined) return undefined;
    if (operator.endsWith("defined")) return this.#compare(left.text, operator, undefined);
    const value = this.#value(["=", "!=", "=~", "!~"].includes(operator));
    return value === undefined ? undefined : this.#compare(left.text, operator, value);
  }

  /** One sign, or several words such as `is not defined` or `not in`. */
  #operator(): string | undefined {
    const first = this.#next();
    if (first?.kind === "sign") return /^[=<>!]/.test(first.text) ? first.text : undefined;
    if (first?.kind !== "word") return undefined;
    let words = first.text;
    while (/^(?:is|not|does|is not|does not)$/.test(words)) {
      const next = this.#next();
      if (next?.kind !== "word") return undefined;
      words += ` ${tests.get(next.text) ?? next.text}`;
    }
    return words;
  }

  /** A constant. As in Alertmanager, a string after =, !=, =~ or !~ may be unquoted. */
  #value(mayBeBare: boolean): JsonValue | undefined {
    if (this.#take("(")) {
      const inner = this.#value(false);
      return this.#take(")") ? inner : undefined;
    }
    if (this.#take("[")) {
      const elements: JsonValue[] = [];
      while (!this.#take("]")) {
        const element = this.#value(false);
        if (element === undefined || isJsonArray(element)) return undefined;
        elements.push(element);
        if (!this.#take(",") && this.#peek() !== "]") return undefined;
      }
      return elements;
    }
    const next = this.#next();
    if (next === undefined || next.kind === "sign") return undefined;
    const known = constant(next);
    if (known !== undefined || next.kind !== "word") return known;
    return mayBeBare && /^[\p{L}\p{N}_-]+$/u.test(next.text) ? next.text : undefined;
  }

  #next(): Token | undefined {
    const next = this.#tokens[this.#at];
    this.#at += 1;
    return next;
  }

  #peek(): string | undefined {
    return this.#tokens[this.#at]?.text;
  }

  #take(...texts: readonly string[]): boolean {
    const next = this.#tokens[this.#at];
    if (next === undefined || next.kind === "text" || !texts.includes(next.text.toLowerCase())) return false;
    this.#at += 1;
    return true;
  }
}

/** Ansible's string tests, under the names that other systems use. */
const tests: ReadonlyMap<string, string> = new Map([
  ["match", "matchregex"],
  ["search", "regex"],
]);

const words: ReadonlyMap<string, JsonValue> = new Map<string, JsonValue>([
  ["true", true],
  ["false", false],
  ["null", null],
  ["none", null],
]);

function constant({ kind, text }: Token): JsonValue | undefined {
  switch (kind) {
    case "number":
      return jsonNumber(text);
    case "text":
      return text.startsWith("'") ? text.slice(1, -1) : unescaped(text);
    case "word":
      return words.get(text.toLowerCase());
    case "sign":
      return undefined;
  }
}

function unescaped(quoted: string): string | undefined {
  try {
    const text: unknown = JSON.parse(quoted);
    return typeof text === "string" ? text : undefined;
  } catch {
    // An escape that JSON lacks, such as \d in a pattern.
    return undefined;
  }
}
