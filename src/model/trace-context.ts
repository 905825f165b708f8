/**
 * The trace that an event belongs to, as W3C Trace Context writes it (https://www.w3.org/TR/trace-context/).
 *
 * A context comes from outside and is only passed on. So nothing about it is an error: an invalid `traceparent` is no trace,
 * and an invalid `tracestate` is left out, as sections 3.3 and 4.3 of the recommendation ask for.
 */
import type { JsonValue } from "./json/json.ts";

export interface TraceContext {
  /** In version 00: `00-<trace id>-<parent id>-<flags>`. */
  readonly traceparent: string;
  readonly tracestate: string | null;
}

const traceparentPattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/s;
const traceparentLengthMax = 512;

/** Section 3.3.1.3: a vendor's key may name its tenant. */
const memberPattern =
  /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
const membersMax = 32;
const tracestateLengthMax = 512;

/** Undefined: there is no valid `traceparent`. */
export function traceContext(
  traceparent: JsonValue | undefined,
  tracestate: JsonValue | undefined,
): TraceContext | undefined {
  if (typeof traceparent !== "string" || traceparent.length > traceparentLengthMax) return undefined;
  const parts = traceparentPattern.exec(traceparent);
  if (parts === null) return undefined;
  const [, version = "", traceId = "", parentId = "", flags = "", more] = parts;
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  // Of a later version only these parts are known, and the flag "sampled".
  const knownFlags = version === "00" ? flags : isSampledFlags(flags) ? "01" : "00";
  return {
    traceparent: `00-${traceId}-${parentId}-${knownFlags}`,
    tracestate: typeof tracestate === "string" ? validTracestate(tracestate) : null,
  };
}

/** 32 hexadecimal digits. */
export function traceIdOf({ traceparent }: TraceContext): string {
  return traceparent.slice(3, 35);
}

function isSampledFlags(flags: string): boolean {
  return (Number.parseInt(flags, 16) & 1) === 1;
}

function validTracestate(text: string): string | null {
  if (text.length > tracestateLengthMax) return null;
  const members = text
    .split(",")
    .map(trimmed)
    .filter((member) => member !== "");
  const keys = new Set(members.map((member) => member.slice(0, member.indexOf("="))));
  const isValid =
    members.length > 0 &&
    members.length <= membersMax &&
    keys.size === members.length &&
    members.every((member) => memberPattern.test(member));
  return isValid ? members.join(",") : null;
}

/** Spaces and tabs around a member are no part of it. */
function trimmed(member: string): string {
  return member.replace(/^[ \t]+/, "").replace(/[ \t]+$/, "");
}
