/**
 * An incremental JSON parser.
 *
 * `JSON.parse` reads a text in one go: a megabyte of `[{},{},…` blocks the event loop for a tenth of a second. This
 * reader stops after a given amount of work and resumes from there. It also reports where and why a text is not
 * JSON, which `JSON.parse` does only for some errors. It is slower, so it is used only for large and invalid texts.
 */
import { invalid, valid, type Decoded } from "./decoded.ts";
import type { JsonValue } from "./json.ts";
import { onOneLine } from "../texts/quoted-text.ts";

export interface JsonReaderOptions {
  /** How deep arrays and objects may be nested. */
  readonly depthMax: number;
  /** @param source a JSON number */
  readonly number: (source: string) => Decoded<JsonValue>;
}

type Expectation =
  | "a value"
  /** Right after "[". */
  | "a value or the end"
  | "a key"
  /** Right after "{". */
  | "a key or the end"
  | "a colon"
  | "a comma or the end"
  /** The whole value has been read. */
  | "nothing";

type Container = JsonValue[] | { [key: string]: JsonValue };

/** The cost of a token on top of its characters: a `{}` takes as much work as a dozen letters. */
const workPerToken = 12;

const numberPattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const quote = 0x22;
const backslash = 0x5c;
const space = 0x20;
/** Characters that end a word: blanks, a comma, a colon, brackets and the quote. */
const delimiters: ReadonlySet<number> = new Set([
  0x09,
  0x0a,
  0x0d,
  space,
  quote,
  0x2c,
  0x3a,
  0x5b,
  0x5d,
  0x7b,
  0x7d,
]);
const nearLength = 24;
const literals = new Map<string, JsonValue>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

export class JsonReader {
  readonly #text: string;
  readonly #options: JsonReaderOptions;
  readonly #open: Container[] = [];
  /** For each open object, the key of the value being read. */
  readonly #keys: string[] = [];
  #at = 0;
  #expected: Expectation = "a value";
  #root: JsonValue = null;
  #problem: string | undefined;
  #repeatedKey: string | undefined;

  constructor(text: string, options: JsonReaderOptions) {
    this.#text = text;
    this.#options = options;
  }

  /** The first duplicate key so far. As with `JSON.parse`, the last value wins. */
  get repeatedKey(): string | undefined {
    return this.#repeatedKey;
  }

  /**
   * Resumes reading.
   *
   * @param work how much to read, roughly in characters
   * @returns undefined if there is more to read
   */
  read(work: number): Decoded<JsonValue> | undefined {
    for (let left = work; left > 0; left -= workPerToken) {
      const from = this.#at;
      this.#skipBlank();
      if (this.#at === this.#text.length) {
        if (this.#expected === "nothing") return valid(this.#root);
        this.#fail(earlyEnd(this.#open));
      } else {
        this.#step();
      }
      if (this.#problem !== undefined) return invalid(this.#problem);
      left -= this.#at - from;
    }
    return undefined;
  }

  #skipBlank(): void {
    for (; this.#at < this.#text.length; this.#at += 1) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    }
  }

  /** Reads one token. */
  #step(): void {
    const character = this.#text.charAt(this.#at);
    switch (this.#expected) {
      case "a value":
        return this.#readValue(character);
      case "a value or the end":
        return character === "]" ? this.#close() : this.#readValue(character);
      case "a key":
        return this.#readKey(character);
      case "a key or the end":
        return character === "}" ? this.#close() : this.#readKey(character);
      case "a colon":
        if (character !== ":") return this.#fail('a ":" is missing after a key');
        this.#at += 1;
        this.#expected = "a value";
        return;
      case "a comma or the end":
        return this.#readBehindValue(character);
      case "nothing":
        return this.#fail("there is more text after its end");
    }
  }

  #readValue(character: string): void {
    switch (character) {
      case "{":
        return this.#enter({});
      case "[":
        return this.#enter([]);
      case '"': {
        const text = this.#readText();
        if (text !== undefined) this.#add(text);
        return;
      }
    }
    const word = this.#text.slice(this.#at, this.#wordEnd());
    const literal = literals.get(word);
    if (literal !== undefined) {
      this.#at += word.length;
      return this.#add(literal);
    }
    if (!numberPattern.test(word)) return this.#fail(unexpected(word === "" ? character : word));
    const decoded = this.#options.number(word);
    if (decoded.kind === "invalid") {
      this.#problem = decoded.problem;
      return;
    }
    this.#at += word.length;
    this.#add(decoded.value);
  }

  #readKey(character: string): void {
    if (character !== '"') {
      const before = this.#expected === "a key" && character === "}" ? ' after the last ","' : "";
      return this.#fail(`a key in double quotes is missing${before}`);
    }
    const key = this.#readText();
    if (key === undefined) return;
    this.#keys[this.#keys.length - 1] = key;
    this.#expected = "a colon";
  }

  #readBehindValue(character: string): void {
    const isObject = !Array.isArray(this.#open.at(-1));
    if (character === ",") {
      this.#at += 1;
      this.#expected = isObject ? "a key" : "a value";
      return;
    }
    const end = isObject ? "}" : "]";
    if (character === end) return this.#close();
    this.#fail(`a "," or "${end}" is missing`);
  }

  #enter(container: Container): void {
    if (this.#open.length === this.#options.depthMax) {
      this.#problem = `it is nested more than ${this.#options.depthMax} levels deep`;
      return;
    }
    this.#at += 1;
    this.#open.push(container);
    if (Array.isArray(container)) {
      this.#expected = "a value or the end";
    } else {
      this.#keys.push("");
      this.#expected = "a key or the end";
    }
  }

  #close(): void {
    this.#at += 1;
    const container = this.#open.pop();
    if (container === undefined) return;
    if (!Array.isArray(container)) this.#keys.pop();
    this.#add(container);
  }

  /** Puts a whole value where it belongs. */
  #add(value: JsonValue): void {
    const container = this.#open.at(-1);
    if (container === undefined) {
      this.#root = value;
      this.#expected = "nothing";
      return;
    }
    this.#expected = "a comma or the end";
    if (Array.isArray(container)) {
      container.push(value);
      return;
    }
    const key = this.#keys.at(-1) ?? "";
    if (Object.hasOwn(container, key)) this.#repeatedKey ??= key;
    if (key === "__proto__") {
      Object.defineProperty(container, key, { value, enumerable: true, configurable: true, writable: true });
    } else {
      container[key] = value;
    }
  }

  /** Undefined if it is not a valid string; the problem is then set. */
  #readText(): string | undefined {
    const text = this.#text;
    const start = this.#at + 1;
    let hasEscape = false;
    let at = start;
    let code = text.charCodeAt(at);
    // The code is NaN at the end of the text, which makes every comparison false.
    while (code !== quote && code >= space) {
      const length = code === backslash ? escapeLength(text, at) : 1;
      if (length === 0) break;
      hasEscape ||= code === backslash;
      at += length;
      code = text.charCodeAt(at);
    }
    this.#at = at;
    if (code !== quote) {
      this.#fail(textFault(text.charAt(at)));
      return undefined;
    }
    this.#at += 1;
    if (!hasEscape) return text.slice(start, at);
    const unescaped: string = JSON.parse(text.slice(start - 1, at + 1));
    return unescaped;
  }

  #wordEnd(): number {
    let at = this.#at;
    while (at < this.#text.length && !delimiters.has(this.#text.charCodeAt(at))) at += 1;
    return at;
  }

  #fail(fault: string): void {
    this.#problem = `it is not JSON: ${fault} at position ${this.#at}${near(this.#text, this.#at)}`;
  }
}

/** The length of the escape at this position; 0 if it is invalid. */
function escapeLength(text: string, at: number): number {
  const kind = text.charAt(at + 1);
  if (kind === "u") return /^[\da-fA-F]{4}$/.test(text.slice(at + 2, at + 6)) ? 6 : 0;
  return kind !== "" && '"\\/bfnrt'.includes(kind) ? 2 : 0;
}

function earlyEnd(open: readonly Container[]): string {
  const innermost = open.at(-1);
  if (innermost === undefined) return "it is empty";
  const end = Array.isArray(innermost) ? "]" : "}";
  return open.length === 1 ? `it ends before its "${end}"` : `it ends with ${open.length} brackets open`;
}

function unexpected(word: string): string {
  const shown = word.length > 20 ? `${word.slice(0, 20)}…` : word;
  if (/^[+-]?(?:nan|inf(?:inity)?)$/i.test(word)) return `${shown} is not a JSON number`;
  if (/^(?:None|True|False)$/.test(word)) return `${shown} is Python, not JSON (json.dumps writes JSON),`;
  if (word.startsWith("'")) return `a single quote where JSON needs a double quote,`;
  return /^[,:\]}]$/.test(word) ? `a value is missing before "${word}"` : `unexpected ${shown}`;
}

function textFault(character: string): string {
  if (character === "") return "it ends inside a string";
  if (character === "\\") return "an invalid escape";
  const code = character.charCodeAt(0).toString(16).padStart(4, "0");
  return `a control character (\\u${code}) that must be written as an escape`;
}

/** The text around that position, on one line. */
function near(text: string, at: number): string {
  const [start, end] = [Math.max(0, at - nearLength), Math.min(text.length, at + nearLength)];
  const shown = onOneLine(text.slice(start, end).toWellFormed());
  if (shown.trim() === "") return "";
  return `, near ${start > 0 ? "…" : ""}${shown}${end < text.length ? "…" : ""}`;
}
