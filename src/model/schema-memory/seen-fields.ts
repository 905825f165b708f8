/**
 * Finds paths that no payload has, by what was learned from payloads of the trigger.
 *
 * Nothing is concluded from fewer than `unseenMin` payloads, nor from a memory that leaves fields out.
 */
import type { FieldPath } from "../paths/field-path.ts";
import { nearestField } from "../texts/nearest-name.ts";
import { concerns, fieldPathOf, stepsOf } from "./memory-path.ts";

/** Payloads before it means something that none of them has a field. */
export const unseenMin = 50;

export interface SeenFields {
  /** Payloads that were looked at. */
  readonly samples: number;
  /** Some fields were left out. */
  readonly isCut: boolean;
  /** As memory-path.ts writes them. */
  readonly paths: readonly string[];
}

export interface UnseenField {
  /** The path up to the name that was not seen. */
  readonly path: FieldPath;
  /** A path that payloads have and that was probably meant. */
  readonly nearest: FieldPath | undefined;
}

export function isSeen(path: FieldPath, { paths }: SeenFields): boolean {
  return (
    path.length === 0 || paths.some((each) => stepsOf(each).length >= path.length && concerns(each, path))
  );
}

/** @returns undefined if payloads have it, or may have it */
export function unseenField(path: FieldPath, seen: SeenFields): UnseenField | undefined {
  if (seen.samples < unseenMin || seen.isCut) return undefined;
  const depth = path.findIndex((_, index) => !isSeen(path.slice(0, index + 1), seen));
  if (depth === -1) return undefined;
  const nearest = sibling(path, depth, seen) ?? sameNameElsewhere(path, seen);
  return { path: path.slice(0, depth + 1), nearest };
}

/** The path with another name at that depth. */
function sibling(path: FieldPath, depth: number, seen: SeenFields): FieldPath | undefined {
  const parent = path.slice(0, depth);
  const names = seen.paths.flatMap((each) => {
    const step = stepsOf(each)[depth];
    return typeof step === "object" && concerns(each, parent) ? [step.name] : [];
  });
  const name = nearestField(path[depth] ?? "", [...new Set(names)]);
  if (name === undefined) return undefined;
  const meant = [...parent, name, ...path.slice(depth + 1)];
  return isSeen(meant, seen) ? meant : undefined;
}

/** The only field of that name, such as `data.branch` for `branch`. */
function sameNameElsewhere(path: FieldPath, { paths }: SeenFields): FieldPath | undefined {
  const fields = paths.flatMap((each) => {
    const field = fieldPathOf(each);
    return field?.at(-1) === path.at(-1) && field !== undefined ? [field] : [];
  });
  return fields.length === 1 ? fields[0] : undefined;
}
