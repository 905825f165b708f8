/**
 * Paths in other systems' syntax: JSONPath, JSON Pointer, jq, gjson, templates and the like.
 *
 * Most of them would also parse here, but as names that no payload has: `$.a` would look for a key called
 * `$` and never find one. So they are recognised and refused with the path to write instead. Names in
 * brackets and quotes are always taken literally: `["$.a"]` is a key.
 */
import { pathLengthMax, writeFieldPath, type FieldPath } from "./field-path.ts";

export interface ForeignPath {
  /** A clause that follows the path. */
  readonly reason: string;
  /** A path to write instead. It may be foreign itself: `$.a[*]` becomes `a[*]`. */
  readonly instead?: string;
  /** Whether that path leads to the same value, so that a condition keeps its meaning. */
  readonly isSame?: boolean;
  /** How to recommend that path; "write …" by default. */
  readonly advice?: (path: string) => string;
  /** How to write the path if the characters really are part of key names. */
  readonly literally?: string;
  /** What the literal path is for; "a key of that name" by default. */
  readonly literalKey?: string;
}

/** First names that mean something other than a key of the payload, here or in templates. */
const firstNames = new Set(["event", "payload", "rule", "trigger", "trigger_params"]);

/** A path to this place in the payload, ready to paste; undefined if a name cannot be written. */
export function writePayloadPath(names: FieldPath): string | undefined {
  return writeFieldPath(firstNames.has(names[0] ?? "") ? ["payload", ...names] : names);
}

/** Matches almost all paths: those without a character that has a meaning in other systems. */
const plainPath = /^\w[\w-]*(?:\.[\w-]+|\[\d+\])*$/;

/** What is foreign about the path; undefined if nothing is. */
export function foreignPath(text: string): ForeignPath | undefined {
  if (text.length > pathLengthMax || plainPath.test(text)) return undefined;
  const path: Written = { text, unquoted: withoutQuoted(text) };
  for (const form of forms) {
    const recognised = form(path);
    if (recognised !== undefined) return recognised;
  }
  return undefined;
}

interface Written {
  readonly text: string;
  readonly unquoted: string;
}

/** The text with each name in brackets and quotes overwritten, at the same offsets. */
export function withoutQuoted(text: string): string {
  return text.replaceAll(/\[(?:"[^"]*"|'[^']*')\]/g, (name) => `[${"0".repeat(name.length - 2)}]`);
}

const forms: readonly ((path: Written) => ForeignPath | undefined)[] = [
  template,
  pipe,
  call,
  dollar,
  currentElement,
  jsonPointer,
  leadingDot,
  looseQuotes,
  escapedDot,
  severalPlaces,
  negativeIndex,
  bracketedWord,
  arrow,
  modifier,
  wildcardInName,
];

const wholeTemplates = [
  /^\$?\{\{[-~]?\s*(?<inner>.*?)\s*[-~]?\}\}$/s,
  /^[$%#]\{\s*(?<inner>[^{}]*?)\s*\}$/,
  /^<%=?\s*(?<inner>.*?)\s*%>$/s,
];

function template({ text, unquoted }: Written): ForeignPath | undefined {
  for (const whole of wholeTemplates) {
    const inner = whole.exec(text)?.groups?.["inner"];
    if (inner !== undefined) return { reason: "is in braces; paths have none", instead: inner, isSame: true };
  }
  return /\{\{.*\}\}/s.test(unquoted) ? { reason: "contains a template; a path is constant" } : undefined;
}

/** Template filters and Sigma modifiers. A key may contain a bar, so `cpu|usage` does not match. */
const filters =
  /\s\|\s|\|\s*(?:@|(?:all|base64|capitalize|cidr|contains|default|endswith|exists|first|float|gte?|int|join|last|length|list|lower|lte?|re|replace|round|sort|startswith|string|title|to_?json|trim|unique|upper|urlencode)\b)/;

function pipe({ text, unquoted }: Written): ForeignPath | undefined {
  const at = unquoted.search(filters);
  if (at === -1) return undefined;
  return {
    reason: "has a filter; paths have none",
    instead: text.slice(0, at).trim(),
    advice: (path) => `${path} is the value itself`,
  };
}

const calls =
  /^\w+\(\s*(?:["'$@.]|(?:event|payload|trigger)\b.*)\)$|^(?:is_?defined|jmespath|json_?path|lower|tojson|to_?lower|to_?upper|trim|upper)\(.*\)$|\w\(\)/is;

function call({ unquoted }: Written): ForeignPath | undefined {
  return calls.test(unquoted) ? { reason: "calls a function; paths have none" } : undefined;
}

function dollar({ text }: Written): ForeignPath | undefined {
  if (!text.startsWith("$")) return undefined;
  const reason = 'begins with "$"';
  if (/^\$(?:$|[.[])/.test(text)) return { reason, instead: behindRoot(text), isSame: true };
  const [, variable = "", rest = ""] = /^\$(\w*)(.*)$/s.exec(text) ?? [];
  if (/^(?:event|payload|trigger)$/.test(variable)) return { reason, instead: text.slice(1), isSame: true };
  if (/^(?:input|json|msg)$/.test(variable)) return { reason, instead: rest.slice(1), isSame: true };
  return variable === "" ? { reason } : { reason, literally: `["$${variable}"]${rest}` };
}

/** JSONPath's current element. A key like `@timestamp` is an ordinary name. */
function currentElement({ text }: Written): ForeignPath | undefined {
  if (!/^@(?:$|[.[])/.test(text)) return undefined;
  return { reason: 'begins with "@"', instead: behindRoot(text), isSame: true };
}

function behindRoot(text: string): string {
  return text.length === 1 ? "payload" : text.slice(1).replace(/^\.(?!\.)/, "");
}

/** https://www.rfc-editor.org/rfc/rfc6901 */
function jsonPointer({ text }: Written): ForeignPath | undefined {
  if (!/^#?\/./.test(text)) return undefined;
  const names = text.split("/").slice(1);
  const path = writePayloadPath(names.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~")));
  return {
    reason: `begins with "${text.startsWith("#") ? "#/" : "/"}"`,
    ...(path === undefined ? {} : { instead: path, isSame: true }),
    literally: `["${text}"]`,
  };
}

function leadingDot({ text }: Written): ForeignPath | undefined {
  if (!/^\.(?!\.)/.test(text)) return undefined;
  return { reason: "begins with a dot", instead: behindRoot(text), isSame: true };
}

/** `labels."app.kubernetes.io/name"`, as in jq */
function looseQuotes({ text, unquoted }: Written): ForeignPath | undefined {
  if (!/(?:^|\.)(?:"[^"]*"|'[^']*')(?:$|[.[])/.test(unquoted)) return undefined;
  return {
    reason: "has quotes outside of brackets",
    instead: text.replaceAll(/(?:^|\.)("[^"]*"|'[^']*')(?=$|[.[])/g, "[$1]"),
    isSame: true,
  };
}

/** `labels.app\.kubernetes\.io/name`, as in gjson */
function escapedDot({ text, unquoted }: Written): ForeignPath | undefined {
  if (!unquoted.includes(String.raw`\.`)) return undefined;
  return {
    reason: "has an escaped dot",
    instead: text.replaceAll(/(?:^|\.)((?:[^.[\]\\]|\\\.)*\\\.(?:[^.[\]\\]|\\\.)*)/g, (_, name: string) => {
      return `["${name.replaceAll(String.raw`\.`, ".")}"]`;
    }),
    isSame: true,
  };
}

const several =
  /\[(?:\*|\?\(.*?\)|\?[^\]]*|\(.*?\)|\d*:-?\d*(?::\d*)?|\d+(?:\s*,\s*\d+)+|)\]|\.(?:\*\*?|#(?:\([^)]*\)#?)?)(?=$|[.[])/g;

function severalPlaces({ text, unquoted }: Written): ForeignPath | undefined {
  const reason = "selects several values, but a path selects one";
  const [first, ...others] = [...unquoted.matchAll(several)];
  if (first === undefined) return /^(?:\*|#)(?=$|[.[])/.test(unquoted) ? { reason } : undefined;
  // The payload is an object, so it has no first element.
  if (first.index === 0) return { reason };

  let instead = "";
  let from = 0;
  for (const match of [first, ...others]) {
    instead += `${text.slice(from, match.index)}[0]`;
    from = match.index + match[0].length;
  }
  instead += text.slice(from);
  const list = text.slice(0, first.index);
  const isLast = others.length === 0 && from === text.length;
  return {
    reason,
    instead,
    advice: (path) =>
      isLast
        ? `use ${list} with the operator contains, or one element, such as ${path}`
        : `name one element, such as ${path}`,
  };
}

function negativeIndex({ text, unquoted }: Written): ForeignPath | undefined {
  if (!/\[-\d+\]/.test(unquoted)) return undefined;
  return {
    reason: "counts from the end, but indexes count from the beginning",
    instead: text.replaceAll(/\[-\d+\]/g, "[0]"),
    advice: (path) => `the first element is ${path}`,
  };
}

function bracketedWord({ text, unquoted }: Written): ForeignPath | undefined {
  if (!/\[[A-Za-z_][\w-]*\]/.test(unquoted)) return undefined;
  return {
    reason: "has a name in brackets without quotes",
    instead: text.replaceAll(/\[([A-Za-z_][\w-]*)\]/g, (_, name: string, index: number) =>
      index === 0 ? name : `.${name}`,
    ),
    isSame: true,
  };
}

/** `a?.b` as in JavaScript, `a->b` and `a->>'b'` as in SQL */
function arrow({ text, unquoted }: Written): ForeignPath | undefined {
  if (!/\?\.|->/.test(unquoted)) return undefined;
  return {
    reason: "has an operator instead of a dot between two names",
    instead: text
      .replaceAll(/\?\.(?=\[)/g, "")
      .replaceAll(/\?\.|\s*->>?\s*('?)([^'.\s>-]+)\1/g, (_, __, name?: string) =>
        name === undefined ? "." : `.${name}`,
      ),
    isSame: true,
  };
}

const modifiers =
  /(?:^|[.|])@(?:this|reverse|ugly|pretty|valid|flatten|join|keys|values|tostr|fromstr|group|dig)(?=$|[.|:[])/;

function modifier({ unquoted }: Written): ForeignPath | undefined {
  return modifiers.test(unquoted) ? { reason: "has a gjson modifier; paths have none" } : undefined;
}

function wildcardInName({ text, unquoted }: Written): ForeignPath | undefined {
  const character = /[#*]/.exec(unquoted)?.[0];
  if (character === undefined) return undefined;
  const literally = text.replaceAll(
    /(\[(?:"[^"]*"|'[^']*')\])|(?:^|\.)([^.[\]"#*]*[#*][^.[\]"]*)/g,
    (_, quoted?: string, name?: string) => quoted ?? `["${name ?? ""}"]`,
  );
  return { reason: `has "${character}" in it`, literally };
}
