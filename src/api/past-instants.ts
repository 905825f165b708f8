/** Instants in the past as requests name them: in RFC 3339, or how long ago. */
import { pastInstant } from "../model/texts/past-instant.ts";
import { invalidParameter } from "./errors.ts";

/** For descriptions of parameters. */
export const pastInstantForms = "RFC 3339, or how long ago: `90s`, `30m`, `24h`, `7d`";

/** @throws RequestError VALIDATION_FAILED */
export function demandPastInstant(parameter: string, text: string, nowMs: number): Date {
  const instant = pastInstant(text, nowMs);
  if (instant !== undefined) return instant;
  throw invalidParameter(parameter, "must be an instant like 2026-01-31T12:00:00Z, or like 24h");
}
