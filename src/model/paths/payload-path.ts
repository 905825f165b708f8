/**
 * Paths into an event's payload, in the three forms that conditions and templates share: `event.payload.x`,
 * `payload.x` and `x`. `payload` alone is the whole payload. A first name in brackets and quotes is always a
 * key of the payload, as in `["event"].type`, and so is the name after `payload.`.
 *
 * A path that is probably a mistake is refused with a correction: other systems' syntax, and platform names
 * that are not part of a payload, such as `event.id`.
 */
import { distance } from "fastest-levenshtein";
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { parseSegments, writeFieldPath, type FieldPath, type Segment } from "./field-path.ts";
import { foreignPath, writePayloadPath, type ForeignPath } from "./foreign-path.ts";

export function parsePayloadPath(text: string): Decoded<FieldPath> {
  const foreign = foreignPathProblem(text);
  if (foreign !== undefined) return invalid(foreign);
  const segments = parseSegments(text);
  if (segments.kind === "invalid") return segments;
  const other = outsidePath(segments.value) ?? cutKey(segments.value);
  return other === undefined ? valid(pathInPayload(segments.value)) : invalid(described(text, other));
}

/** Refuses a path in another system's syntax, with the path to write instead; undefined for any other path. */
export function foreignPathProblem(text: string): string | undefined {
  const foreign = foreignPath(text);
  return foreign === undefined ? undefined : described(text, foreign);
}

/** The path in the syntax used here, if it is valid or its meaning is certain. */
export function ownPath(text: string): string | undefined {
  const foreign = recognise(text);
  if (foreign === undefined) return isOwn(text) ? text : undefined;
  const advised = follow(foreign);
  return advised?.isSame === true ? advised.path : undefined;
}

/** Why a valid path is probably not what its author meant; undefined if nothing looks wrong. */
export function payloadPathDoubt(text: string): string | undefined {
  const segments = parseSegments(text);
  if (segments.kind === "invalid") return undefined;
  const [first, ...rest] = segments.value;
  const padded = segments.value.find(({ name, form }) => form === "bare" && name !== name.trim());
  if (padded !== undefined) return `"${text}" has a name that begins or ends with a space`;
  if (first?.form === "bare" && rest.length > 0 && isMisspeltPayload(first.name))
    return `"${text}" begins with "${first.name}"; did you mean "payload"?`;
  const split = cutAt(segments.value);
  return split === undefined ? undefined : described(text, split);
}

/** One letter wrong or two letters swapped; the plural is another word. */
export function isMisspeltPayload(name: string): boolean {
  if (name === "payload" || name === "payloads" || name.toLowerCase() === "payload") return false;
  return sorted(name) === sorted("payload") || distance(name, "payload") <= 1;
}

function sorted(letters: string): string {
  return Array.from(letters).toSorted().join("");
}

function pathInPayload(segments: readonly Segment[]): FieldPath {
  const names = segments.map(({ name }) => name);
  if (isBare(segments[0], "payload")) return names.slice(1);
  return isBare(segments[0], "event") && names[1] === "payload" ? names.slice(2) : names;
}

/** What templates can read of an event besides its payload. */
const eventNames: readonly string[] = ["id", "trigger_ref", "source_ref", "occurred_at"];

function outsidePath(segments: readonly Segment[]): ForeignPath | undefined {
  const [first, second] = segments;
  const names = segments.map(({ name }) => name);
  // A name followed by an index is a list in the payload.
  if (first?.form !== "bare" || second === undefined || second.form === "index") return undefined;
  if (!["event", "trigger", "trigger_params"].includes(first.name)) return undefined;
  if (first.name === "event" && second.name === "payload") return undefined;

  const isTemplateName = names.length === 2 && first.name === "event" && eventNames.includes(second.name);
  const isMisspelt = first.name === "event" && isMisspeltPayload(second.name);
  const instead = isMisspelt
    ? writeFieldPath(["event", "payload", ...names.slice(2)])
    : writePayloadPath(names.slice(1));
  const literally = writePayloadPath(names);
  return {
    reason: isTemplateName
      ? "is available only in templates; paths of conditions begin inside the payload"
      : `begins with "${first.name}.", but paths begin inside the payload`,
    ...(instead === undefined || first.name === "trigger_params" ? {} : { instead, isSame: true }),
    ...(literally === undefined ? {} : { literally, literalKey: `a key "${first.name}" of the payload` }),
  };
}

/**
 * Detects a key split at its dots: `labels.app.kubernetes.io/name` means the key `app.kubernetes.io/name`.
 * Only a known top-level domain before the slash is proof enough.
 */
function cutKey(segments: readonly Segment[]): ForeignPath | undefined {
  return segments.some(({ name }) => /^(?:app|cloud|com|dev|io|local|net|org|sh)\//.test(name))
    ? cutAt(segments)
    : undefined;
}

function cutAt(segments: readonly Segment[]): ForeignPath | undefined {
  const names = segments.map(({ name }) => name);
  const slash = segments.findIndex(({ name, form }) => form === "bare" && /^[a-z]{2,}\/[^/]+$/.test(name));
  const parent = segments.findLastIndex(
    ({ name }, index) =>
      index < slash && /^(?:annotations|labels|match_?labels|nodeselector|selector|tags)$/i.test(name),
  );
  const start = Math.max(parent, isBare(segments[0], "payload") ? 1 : 0) + 1;
  if (slash <= start || segments.slice(start).some(({ form }) => form !== "bare")) return undefined;
  const joined = writeFieldPath([...names.slice(0, start), names.slice(start).join(".")]);
  const literally = writeFieldPath(names);
  return {
    reason: `looks for a key "${names[slash]}", since each dot begins a new name`,
    ...(joined === undefined ? {} : { instead: joined, isSame: true }),
    ...(literally === undefined ? {} : { literally, literalKey: "that key" }),
  };
}

function isBare(segment: Segment | undefined, name: string): boolean {
  return segment?.form === "bare" && segment.name === name;
}

interface Advised {
  readonly path: string;
  readonly isSame: boolean;
  readonly advice: string;
}

/** `{{ $.a[*] }}` takes three steps. */
const stepsMax = 6;

/** Follows corrections until one is valid; undefined if none is. */
function follow(foreign: ForeignPath): Advised | undefined {
  let next: ForeignPath = foreign;
  let isSame = true;
  let advise = write;
  for (let step = 0; step < stepsMax; step += 1) {
    const path = next.instead;
    if (path === undefined) return undefined;
    isSame &&= next.isSame === true;
    advise = next.advice ?? advise;
    const further = recognise(path);
    if (further === undefined) {
      if (parseSegments(path).kind === "invalid") return undefined;
      return { path, isSame, advice: advise(path) };
    }
    next = further;
  }
  return undefined;
}

function write(path: string): string {
  return `write ${path}`;
}

function recognise(text: string): ForeignPath | undefined {
  const foreign = foreignPath(text);
  if (foreign !== undefined) return foreign;
  const segments = parseSegments(text);
  return segments.kind === "invalid" ? undefined : (outsidePath(segments.value) ?? cutKey(segments.value));
}

function isOwn(text: string): boolean {
  return recognise(text) === undefined && parseSegments(text).kind === "valid";
}

function described(text: string, foreign: ForeignPath): string {
  const { reason, literally } = foreign;
  const advised = follow(foreign);
  const parts = advised === undefined ? [] : [advised.advice];
  if (literally !== undefined && isOwn(literally))
    parts.push(
      `${advised === undefined ? "write " : ""}${literally} for ${foreign.literalKey ?? "a key of that name"}`,
    );
  const advice = parts.length === 0 ? "" : `; ${parts.join(", or ")}`;
  return `"${text}" ${reason}${advice}`;
}
