/**
 * The usable rules of one trigger, indexed so that a changed rule costs little, however many others there are.
 *
 * They are kept in levels, each with an index of its own (rule-filing.ts). Changed rules go to the level `recent`, which is
 * small and indexed anew with each change. When it is full it becomes the last of the settled levels. A rule that changes
 * stays in the level where it was, dead; a rule that is found counts only if it is the newest of its id.
 *
 * Settled levels are merged in the background (nextMerge) until each is more than twice as large as all after it together, so
 * there are few, and each rule is merged a logarithmic number of times. Merging drops dead rules, and happens at the latest
 * when there are more dead rules than others. Levels never change: a merge is built from some of them, and takes their
 * place if they are still there.
 */
import type { Stamp } from "../conditions/predicate.ts";
import type { JsonObject } from "../json/json.ts";
import type { CompiledRule } from "./compiled-rule.ts";
import { indexRules } from "./rule-filing.ts";
import { findRules, type RuleIndex } from "./rule-index.ts";

export interface Level {
  readonly rules: readonly CompiledRule[];
  readonly index: RuleIndex;
}

export interface TriggerRules {
  /** The largest first. */
  readonly settled: readonly Level[];
  readonly recent: Level | undefined;
  /** Rules that are not dead. */
  readonly count: number;
  readonly hasDead: boolean;
}

/** Whether a rule is the newest of its id. */
export type IsLive = (rule: CompiledRule) => boolean;

const recentMax = 64;

/** @returns undefined if no rule is left */
export function* changeRules(
  previous: TriggerRules | undefined,
  added: readonly CompiledRule[],
  count: number,
  isLive: IsLive,
): Generator<void, TriggerRules | undefined> {
  if (count === 0) return undefined;
  const { settled = [], recent } = previous ?? {};
  if (count <= recentMax) {
    const former = [...settled, ...(recent === undefined ? [] : [recent])].flatMap(({ rules }) => rules);
    return triggerRules([], yield* level([...former.filter(isLive), ...added]), count);
  }
  const changed = [...(recent?.rules.filter(isLive) ?? []), ...added];
  if (changed.length === 0) return triggerRules(settled, undefined, count);
  const next = yield* level(changed);
  return changed.length <= recentMax
    ? triggerRules(settled, next, count)
    : triggerRules([...settled, next], undefined, count);
}

function triggerRules(settled: readonly Level[], recent: Level | undefined, count: number): TriggerRules {
  return { settled, recent, count, hasDead: sizeOf(settled) + (recent?.rules.length ?? 0) > count };
}

function* level(rules: readonly CompiledRule[]): Generator<void, Level> {
  return { rules, index: yield* indexRules(rules) };
}

function sizeOf(levels: readonly Level[]): number {
  return levels.reduce((sum, { rules }) => sum + rules.length, 0);
}

/** The settled levels that should become one; empty if all is well. */
export function nextMerge({ settled, recent, count }: TriggerRules): readonly Level[] {
  const deadCount = sizeOf(settled) + (recent?.rules.length ?? 0) - count;
  if (settled.length > 0 && deadCount > count) return settled;
  let from = settled.length;
  let size = 0;
  for (const [number, { rules }] of settled.map((each, at) => [at, each] as const).toReversed()) {
    if (from < settled.length && rules.length > 2 * size) break;
    from = number;
    size += rules.length;
  }
  return from < settled.length - 1 ? settled.slice(from) : [];
}

export interface Merge {
  readonly triggerRef: string;
  readonly replaced: readonly Level[];
  readonly by: Level;
}

export function* mergeLevels(
  triggerRef: string,
  replaced: readonly Level[],
  isLive: IsLive,
): Generator<void, Merge> {
  const rules: CompiledRule[] = [];
  for (const [count, rule] of replaced.flatMap((each) => each.rules).entries()) {
    if (count % 1_000 === 999) yield;
    if (isLive(rule)) rules.push(rule);
  }
  return { triggerRef, replaced, by: yield* level(rules) };
}

/** @returns undefined if the levels to be replaced are no longer there */
export function applyMerge(rules: TriggerRules, { replaced, by }: Merge): TriggerRules | undefined {
  const [first] = replaced;
  const from = first === undefined ? -1 : rules.settled.indexOf(first);
  if (from < 0 || replaced.some((each, at) => rules.settled[from + at] !== each)) return undefined;
  const merged = by.rules.length === 0 ? [] : [by];
  return triggerRules(rules.settled.toSpliced(from, replaced.length, ...merged), rules.recent, rules.count);
}

/** Adds the live rules that match to `found`, in no particular order and possibly with duplicates. */
export function findLiveRules(
  { settled, recent, hasDead }: TriggerRules,
  payload: JsonObject,
  stamp: Stamp,
  found: CompiledRule[],
  isLive: IsLive,
): void {
  for (const { index } of settled) findRules(index, payload, stamp, found);
  if (recent !== undefined) findRules(recent.index, payload, stamp, found);
  if (!hasDead) return;
  let kept = 0;
  for (const rule of found) {
    if (!isLive(rule)) continue;
    found[kept] = rule;
    kept += 1;
  }
  if (kept < found.length) found.length = kept;
}
