/**
 * How much of a table to keep, as people write it: days, rows or bytes, or several of them (`30 days, 20 GB`). The first
 * limit that is exceeded counts. A bare number is days; 0 keeps everything.
 */
import type { Decoded } from "../json/decoded.ts";
import { bytesText } from "../texts/bytes-text.ts";
import { counted } from "../texts/counted.ts";

export interface KeepLimits {
  readonly days: number | null;
  readonly rows: number | null;
  readonly bytes: number | null;
}

export const keepEverything: KeepLimits = { days: null, rows: null, bytes: null };

const units: Readonly<Record<string, readonly [keyof KeepLimits, number]>> = {
  "": ["days", 1],
  d: ["days", 1],
  day: ["days", 1],
  days: ["days", 1],
  hour: ["days", 1 / 24],
  hours: ["days", 1 / 24],
  row: ["rows", 1],
  rows: ["rows", 1],
  bytes: ["bytes", 1],
  kb: ["bytes", 1e3],
  mb: ["bytes", 1e6],
  gb: ["bytes", 1e9],
  tb: ["bytes", 1e12],
};

export function decodeKeepLimits(text: string): Decoded<KeepLimits> {
  const limits: Record<keyof KeepLimits, number | null> = { ...keepEverything };
  for (const part of text.split(",")) {
    const [, digits, word = ""] = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(part) ?? [];
    const [kind, factor] = units[word.toLowerCase()] ?? [];
    if (digits === undefined || kind === undefined || factor === undefined) {
      return {
        kind: "invalid",
        problem: `${JSON.stringify(part.trim())} is not a number of days, rows or bytes`,
      };
    }
    if (limits[kind] !== null) return { kind: "invalid", problem: `two limits are for ${kind}` };
    const value = Number(digits) * factor;
    if (value > 0) limits[kind] = value;
  }
  return { kind: "valid", value: limits };
}

export function describeKeepLimits({ days, rows, bytes }: KeepLimits): string {
  const parts = [
    ...(days === null ? [] : [daysText(days)]),
    ...(rows === null ? [] : [counted(rows, "row")]),
    ...(bytes === null ? [] : [bytesText(bytes)]),
  ];
  return parts.length === 0 ? "everything" : parts.join(", ");
}

function daysText(days: number): string {
  return Number.isInteger(days) ? counted(days, "day") : counted(Math.round(days * 240) / 10, "hour");
}

export const retainedTables = ["event", "enforcement", "event_key"] as const;
export type RetainedTable = (typeof retainedTables)[number];

const defaults = {
  postgresql: { events: "30 days", enforcements: "30 days", deduplication: "7 days" },
  embedded: { events: "30 days, 2 GB", enforcements: "30 days, 2 GB", deduplication: "7 days, 500 MB" },
} as const;

type RetentionKey = keyof (typeof defaults)["postgresql"];

/** @param configured texts that decodeKeepLimits takes; missing ones have their defaults */
export function keptOfTables(
  configured: Readonly<Partial<Record<RetentionKey, string | undefined>>>,
  kind: keyof typeof defaults,
): Readonly<Record<RetainedTable, KeepLimits>> {
  const of = (key: RetentionKey): KeepLimits => {
    const decoded = decodeKeepLimits(configured[key] ?? defaults[kind][key]);
    return decoded.kind === "valid" ? decoded.value : keepEverything;
  };
  return { event: of("events"), enforcement: of("enforcements"), event_key: of("deduplication") };
}
