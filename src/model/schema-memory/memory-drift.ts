/**
 * Notices when payloads begin to look different from before.
 *
 * Two changes count: an established field gets a type that it never had, and a field that practically every payload had is
 * missing from now on. New fields are no drift, nor is null, which optional fields are now and then. What is noticed becomes
 * part of the memory, so it is noticed once.
 */
import type { JsonType } from "../json/json.ts";
import { mergeMemories, typesIn, type FieldMemory, type PayloadMemory } from "./payload-memory.ts";
import { parentPath, stepsOf } from "./memory-path.ts";

export type Drift =
  | {
      readonly kind: "type";
      readonly path: string;
      readonly from: readonly JsonType[];
      readonly to: JsonType;
      /** None of the types from before was seen since. */
      readonly hasTurned: boolean;
      readonly sinceMs: number;
    }
  | { readonly kind: "missing"; readonly path: string; readonly sinceMs: number };

/** Payloads with a field before a new type of it is drift. */
const establishedMin = 20;
/** Payloads without a field before it counts as missing. */
const missingMin = 50;
const missingShareMin = 0.98;

/** After that time without it, a type is forgotten. */
const forgottenAfterMs = 30 * 86_400_000;
/** From there on old payloads count half as much. */
const samplesMax = 100_000;

export interface Learned {
  readonly memory: PayloadMemory;
  readonly drifts: readonly Drift[];
}

/** @param samples learned after the memory */
export function learn(memory: PayloadMemory, samples: PayloadMemory): Learned {
  const counted = countAbsences(memory, samples);
  const merged = mergeMemories(counted, samples);
  return {
    memory: forget(merged),
    drifts: [...typeDrifts(memory, samples), ...missingFields(memory, counted)],
  };
}

function typeDrifts(memory: PayloadMemory, samples: PayloadMemory): readonly Drift[] {
  return [...samples.fields].flatMap(([path, field]) => {
    const known = memory.fields.get(path);
    if (known === undefined || known.present < establishedMin) return [];
    const from = typesIn(known).filter((type) => type !== "null");
    if (from.length === 0) return [];
    return typesIn(field)
      .filter((type) => type !== "null" && known.types[type] === undefined)
      .map((to): Drift => ({
        kind: "type",
        path,
        from,
        to,
        hasTurned: from.every((type) => field.types[type] === undefined),
        sinceMs: field.types[to]?.firstMs ?? samples.firstMs,
      }));
  });
}

/** A field can only be missing from what could contain it. */
function countAbsences(memory: PayloadMemory, samples: PayloadMemory): PayloadMemory {
  if (samples.isCut) return memory;
  const fields = new Map<string, FieldMemory>();
  for (const [path, field] of memory.fields) {
    if (samples.fields.has(path)) fields.set(path, { ...field, absentSince: 0 });
    else fields.set(path, { ...field, absentSince: field.absentSince + chances(path, samples) });
  }
  return { ...memory, fields };
}

function chances(path: string, { samples, fields }: PayloadMemory): number {
  const last = stepsOf(path).at(-1);
  if (last === "elements" || last === "any") return 0;
  const parent = parentPath(path);
  return parent === undefined ? samples : (fields.get(parent)?.types.object?.count ?? 0);
}

function missingFields(before: PayloadMemory, counted: PayloadMemory): readonly Drift[] {
  return [...counted.fields].flatMap(([path, { absentSince, present, types }]): readonly Drift[] => {
    const wasMissing = (before.fields.get(path)?.absentSince ?? 0) >= missingMin;
    if (wasMissing || absentSince < missingMin) return [];
    const parent = parentPath(path);
    const chanceCount =
      parent === undefined ? before.samples : (before.fields.get(parent)?.types.object?.count ?? 0);
    const absentBefore = before.fields.get(path)?.absentSince ?? 0;
    if (present < missingMin || present < missingShareMin * (chanceCount - absentBefore)) return [];
    const lastMs = Math.max(...Object.values(types).map((type) => type.lastMs));
    return [{ kind: "missing", path, sinceMs: lastMs }];
  });
}

function forget(memory: PayloadMemory): PayloadMemory {
  const isOld = memory.samples > samplesMax;
  const half = (count: number): number => (isOld ? Math.ceil(count / 2) : count);
  const fields = new Map<string, FieldMemory>();
  for (const [path, field] of memory.fields) {
    const types = Object.fromEntries(
      Object.entries(field.types)
        .filter(([, { lastMs }]) => lastMs >= memory.lastMs - forgottenAfterMs)
        .map(([type, each]) => [type, { ...each, count: half(each.count) }]),
    );
    if (Object.keys(types).length > 0) fields.set(path, { ...field, types, present: half(field.present) });
  }
  return { ...memory, samples: half(memory.samples), fields };
}

/** Like `user.id turned from number to text at 14:02`; the time is UTC. */
export function driftText(drift: Drift): string {
  const time = new Date(drift.sinceMs).toISOString().slice(11, 16);
  if (drift.kind === "missing") return `\`${drift.path}\` is missing since ${time}`;
  const from = drift.from.map(typeText).join(" or ");
  return drift.hasTurned
    ? `\`${drift.path}\` turned from ${from} to ${typeText(drift.to)} at ${time}`
    : `\`${drift.path}\`, which was always ${from}, is ${typeText(drift.to)} in some payloads since ${time}`;
}

export function typeText(type: JsonType): string {
  return type === "string" ? "text" : type;
}
