/**
 * As many entries as one statement may write, matched against one set of rules.
 *
 * What an event becomes is known only once it is matched: rules can write its payload into any number of texts, and any
 * number of rules can match it. So a batch is cut here, and its entries' ids are drawn afterwards.
 */
import type { TriggerDefinition } from "../model/definitions.ts";
import type { Id } from "../model/identifiers.ts";
import type { RuleMatch, RuleSet } from "../model/rules/rule-match.ts";
import { isTextTooLarge, TextBudget, textCharactersMax } from "../model/texts/text-budget.ts";
import { matchText, Sources, type KnownSource } from "./batch-texts.ts";
import { idOf, type Entry, type EventEntry } from "./entries.ts";

/** An event whose trigger is known and enabled, with the rules that match it. */
export interface MatchedEvent {
  readonly entry: EventEntry;
  readonly trigger: TriggerDefinition;
  readonly source: KnownSource;
  readonly matches: readonly MatchedRule[];
}

export interface MatchedRule {
  readonly match: RuleMatch;
  /** The rendered parameters, as JSON text. */
  readonly configJson: string;
  /** Its part of the statement, without the ids. */
  readonly text: string;
}

export interface PieceBounds {
  /** Enforcements; more would make one statement last long, and memory full of messages. */
  readonly matchesMax: number;
  /** What is written: payloads, snapshots of configuration, checkpoints, enforcements. One event may be larger. */
  readonly charactersMax: number;
}

export interface Piece {
  readonly entries: readonly Entry[];
  readonly matched: readonly MatchedEvent[];
  readonly sources: Sources;
  /** The revision of each trigger of its events, by ref. */
  readonly triggerRevisions: ReadonlyMap<string, Id>;
  /** Left for the next statement, in order. */
  readonly later: readonly Entry[];
  readonly messageCharacters: number;
}

export type MatchedPiece =
  | { readonly kind: "piece"; readonly piece: Piece }
  /** The first event alone is more than is ever written. */
  | { readonly kind: "too much"; readonly event: EventEntry; readonly later: readonly Entry[] };

/** A message beside its payload and configuration, and a row beside its values. */
const overheadCharacters = 500;

/** @param entries events whose triggers are known and enabled, and moves; in order, at least one */
export function matchPiece(entries: readonly Entry[], rules: RuleSet, bounds: PieceBounds): MatchedPiece {
  const sources = new Sources();
  const matched: MatchedEvent[] = [];
  let [count, matchCount, characters, messageCharacters] = [0, 0, 0, 0];
  for (const entry of entries) {
    const event = entry.kind === "event" ? matchedEvent(entry, rules, sources) : undefined;
    if (event === "too much") {
      if (count > 0) break;
      if (entry.kind === "event") return { kind: "too much", event: entry, later: entries.slice(1) };
      continue;
    }
    const own = (entry.checkpointJson?.length ?? 0) + (event === undefined ? 0 : writtenCharacters(event));
    const isOver =
      characters + own > bounds.charactersMax ||
      matchCount + (event?.matches.length ?? 0) > bounds.matchesMax;
    if (isOver && count > 0) break;
    count += 1;
    characters += own;
    if (event === undefined) continue;
    matched.push(event);
    matchCount += event.matches.length;
    messageCharacters += spokenCharacters(event);
  }
  const [taken, later] = [entries.slice(0, count), entries.slice(count)];
  const triggerRevisions = new Map<string, Id>();
  for (const { trigger } of matched) triggerRevisions.set(trigger.ref, rules.revisionOf(trigger.ref));
  return {
    kind: "piece",
    piece: { entries: taken, matched, sources, triggerRevisions, later, messageCharacters },
  };
}

function matchedEvent(entry: EventEntry, rules: RuleSet, sources: Sources): MatchedEvent | "too much" {
  const { event } = entry;
  const trigger = rules.trigger(event.triggerRef);
  if (trigger === undefined) throw new Error(`trigger ${event.triggerRef} was to be known`);
  const facts = {
    id: idOf(entry),
    triggerRef: event.triggerRef,
    payload: event.payload,
    sourceRef: event.source?.sensorRef ?? null,
    occurredAt: event.occurredAt,
    triggerInstanceId: event.triggerInstanceId,
  };
  try {
    const matches = rules.match(facts, new TextBudget()).map(matchedRule);
    const matched = { entry, trigger, source: sources.of(trigger, event.source), matches };
    return writtenCharacters(matched) > textCharactersMax ? "too much" : matched;
  } catch (error) {
    if (isTextTooLarge(error)) return "too much";
    throw error;
  }
}

function matchedRule(match: RuleMatch): MatchedRule {
  const configJson = JSON.stringify(match.config);
  return { match, configJson, text: matchText(match, configJson) };
}

function writtenCharacters({ entry, source, matches }: MatchedEvent): number {
  const own = entry.payloadJson.length + source.configJson.length + overheadCharacters;
  return matches.reduce((sum, { text }) => sum + text.length + overheadCharacters, own);
}

function spokenCharacters({ entry, source, matches }: MatchedEvent): number {
  const each = entry.payloadJson.length + overheadCharacters;
  return matches.reduce(
    (sum, { configJson }) => sum + each + configJson.length,
    each + source.configJson.length,
  );
}

/** The enforcements whose ids are still to be drawn. */
export function missingIdCount({ matched }: Piece): number {
  let count = 0;
  for (const { entry, matches } of matched) {
    if (entry.enforcementIds === undefined) count += matches.length;
    else for (const { match } of matches) if (!entry.enforcementIds.has(match.ruleId)) count += 1;
  }
  return count;
}

/** Gives an id to each enforcement that has none, for good. */
export function assignIds({ matched }: Piece, ids: readonly Id[]): void {
  let used = 0;
  for (const { entry, matches } of matched) {
    for (const { match } of matches) {
      const { ruleId } = match;
      const known = (entry.enforcementIds ??= new Map());
      if (known.has(ruleId)) continue;
      known.set(ruleId, ids[used] ?? "");
      used += 1;
    }
  }
}
