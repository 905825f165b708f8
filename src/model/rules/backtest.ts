/**
 * Judges stored events by a draft of a rule, and compares the decisions with those of the live rule or with the enforcements
 * that were stored. The decisions are made by the code that matches new events.
 *
 * Memory does not grow with the number of events: counts, a fixed number of buckets, and the first few examples of each
 * difference.
 */
import { holds, predicatesOf } from "../conditions/condition.ts";
import { nextStamp, PredicateTable } from "../conditions/predicate.ts";
import type { Id } from "../identifiers.ts";
import { areEqual } from "../json/equality.ts";
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import type { JsonObject } from "../json/json.ts";
import { parseJson } from "../json/json-text.ts";
import type { FieldPath } from "../paths/field-path.ts";
import { templatePaths } from "../templates/template.ts";
import { TextBudget, TextBudgetError } from "../texts/text-budget.ts";
import { compileRule, matchOf, type CompiledRule, type RuleText } from "./compiled-rule.ts";
import { aimedRule } from "./rule-aim.ts";
import type { EventFacts } from "./rule-match.ts";

export interface BacktestEvent {
  readonly facts: EventFacts;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  /** Whether the live rule has an enforcement of it; undefined: not looked up. */
  readonly isEnforced: boolean | undefined;
}

export interface BacktestRange {
  readonly fromMs: number;
  /** Exclusive. */
  readonly untilMs: number;
}

export interface BacktestCounts {
  readonly events: number;
  /** Events that the draft matches. */
  readonly hits: number;
  /** Events that the live rule matches, or whose enforcement of it is stored. */
  readonly live_hits: number;
  /** Events that only the draft matches. */
  readonly caught: number;
  /** Events that only the live rule matches. */
  readonly missed: number;
  /** Events that both match, with different parameters. */
  readonly changed: number;
  /** Matches whose parameters become too long, so that the event would be refused. */
  readonly too_long: number;
  /** The most hits of one bucket. */
  readonly bucket_hits_max: number;
}

export interface BacktestResult {
  readonly counts: BacktestCounts;
  readonly bucketSeconds: number;
  /** Those with events, in order. */
  readonly buckets: readonly BacktestBucket[];
  readonly caughtIds: readonly Id[];
  readonly missedIds: readonly Id[];
  readonly changedParameters: readonly ChangedParameters[];
  /** The draft's parameters for the first events it matches. */
  readonly hitParameters: readonly { readonly eventId: Id; readonly parameters: JsonObject }[];
}

interface BacktestBucket {
  readonly startMs: number;
  readonly events: number;
  readonly hits: number;
  readonly liveHits: number;
}

interface ChangedParameters {
  readonly eventId: Id;
  readonly draft: JsonObject;
  readonly live: JsonObject;
}

const bucketsMax = 60;
const idsMax = 100;
const examplesMax = 5;
/** Parameters of an example that are longer are left out. */
const exampleCharactersMax = 20_000;
const bucketLengths = [1, 5, 15, 60, 300, 900, 3_600, 10_800, 21_600, 86_400, 604_800];

/** @param live null: there is none, or it is disabled */
export function openBacktest(
  draft: RuleText,
  live: RuleText | null,
  range: BacktestRange,
): Decoded<Backtest> {
  const predicates = new PredicateTable();
  const compiled = compileRule(draft, predicates);
  if (compiled.kind === "invalid") return invalid(compiled.problem);
  const other = live === null ? undefined : compileRule(live, predicates);
  return valid(new Backtest(compiled.value, other?.kind === "valid" ? other.value : undefined, range));
}

type Verdict = { readonly isMatch: boolean; readonly parameters: JsonObject | undefined };

const noMatch: Verdict = { isMatch: false, parameters: undefined };

export class Backtest {
  readonly #draft: CompiledRule;
  readonly #live: CompiledRule | undefined;
  readonly #range: BacktestRange;
  readonly #bucketMs: number;
  readonly #buckets = new Map<number, { events: number; hits: number; liveHits: number }>();
  readonly #caughtIds: Id[] = [];
  readonly #missedIds: Id[] = [];
  readonly #changedParameters: ChangedParameters[] = [];
  readonly #hitParameters: { readonly eventId: Id; readonly parameters: JsonObject }[] = [];
  #events = 0;
  #hits = 0;
  #liveHits = 0;
  #caught = 0;
  #missed = 0;
  #changed = 0;
  #tooLong = 0;

  constructor(draft: CompiledRule, live: CompiledRule | undefined, range: BacktestRange) {
    this.#draft = draft;
    this.#live = live;
    this.#range = range;
    const seconds = (range.untilMs - range.fromMs) / 1_000 / bucketsMax;
    const length = bucketLengths.find((each) => each >= seconds) ?? Math.ceil(seconds / 604_800) * 604_800;
    this.#bucketMs = length * 1_000;
  }

  get eventCount(): number {
    return this.#events;
  }

  /** The top-level keys of payloads that its rules read: the decisions depend on no others. Undefined: on all of them. */
  get payloadKeys(): ReadonlySet<string> | undefined {
    const paths = [this.#draft, this.#live].flatMap((rule) => (rule === undefined ? [] : pathsReadBy(rule)));
    const keys = new Set<string>();
    for (const [key] of paths) {
      if (key === undefined) return undefined;
      keys.add(key);
    }
    return keys;
  }

  add({ facts, createdMs, isEnforced }: BacktestEvent): void {
    const stamp = nextStamp();
    const draft = this.#judge(this.#draft, facts, stamp);
    const live =
      isEnforced === undefined
        ? this.#live === undefined
          ? noMatch
          : this.#judge(this.#live, facts, stamp)
        : { isMatch: isEnforced, parameters: undefined };
    this.#events += 1;
    const bucket = this.#bucketAt(createdMs);
    bucket.events += 1;
    if (draft.isMatch) {
      this.#hits += 1;
      bucket.hits += 1;
      this.#keepExample(facts.id, draft.parameters);
    }
    if (live.isMatch) {
      this.#liveHits += 1;
      bucket.liveHits += 1;
    }
    if (draft.isMatch && !live.isMatch) {
      this.#caught += 1;
      if (this.#caughtIds.length < idsMax) this.#caughtIds.push(facts.id);
    } else if (live.isMatch && !draft.isMatch) {
      this.#missed += 1;
      if (this.#missedIds.length < idsMax) this.#missedIds.push(facts.id);
    } else if (draft.parameters !== undefined && live.parameters !== undefined) {
      this.#compareParameters(facts.id, draft.parameters, live.parameters);
    }
  }

  result(): BacktestResult {
    const buckets = [...this.#buckets]
      .toSorted(([one], [other]) => one - other)
      .map(([number, counts]) => ({ startMs: this.#range.fromMs + number * this.#bucketMs, ...counts }));
    return {
      counts: {
        events: this.#events,
        hits: this.#hits,
        live_hits: this.#liveHits,
        caught: this.#caught,
        missed: this.#missed,
        changed: this.#changed,
        too_long: this.#tooLong,
        bucket_hits_max: buckets.reduce((most, { hits }) => Math.max(most, hits), 0),
      },
      bucketSeconds: this.#bucketMs / 1_000,
      buckets,
      caughtIds: this.#caughtIds,
      missedIds: this.#missedIds,
      changedParameters: this.#changedParameters,
      hitParameters: this.#hitParameters,
    };
  }

  #judge(rule: CompiledRule, facts: EventFacts, stamp: number): Verdict {
    if (rule.triggerRef !== facts.triggerRef) return noMatch;
    const aimedAt = aimedRule(facts.triggerInstanceId);
    if (aimedAt !== undefined && aimedAt !== rule.id && aimedAt !== rule.ref) return noMatch;
    if (!holds(rule.root, facts.payload, stamp)) return noMatch;
    try {
      return { isMatch: true, parameters: matchOf(rule, facts, new TextBudget()).config };
    } catch (error) {
      if (!(error instanceof TextBudgetError)) throw error;
      this.#tooLong += 1;
      return noMatch;
    }
  }

  #bucketAt(createdMs: number): { events: number; hits: number; liveHits: number } {
    const { fromMs, untilMs } = this.#range;
    const at = Math.min(Math.max(createdMs, fromMs), untilMs - 1);
    const number = Math.floor((at - fromMs) / this.#bucketMs);
    return this.#buckets.getOrInsertComputed(number, () => ({ events: 0, hits: 0, liveHits: 0 }));
  }

  #keepExample(eventId: Id, parameters: JsonObject | undefined): void {
    if (this.#hitParameters.length >= examplesMax || parameters === undefined || isLong(parameters)) return;
    this.#hitParameters.push({ eventId, parameters });
  }

  #compareParameters(eventId: Id, draft: JsonObject, live: JsonObject): void {
    if (areEqual(draft, live)) return;
    this.#changed += 1;
    if (this.#changedParameters.length < examplesMax && !isLong(draft) && !isLong(live))
      this.#changedParameters.push({ eventId, draft, live });
  }
}

function pathsReadBy({ root, paramsJson }: CompiledRule): readonly FieldPath[] {
  return [
    ...predicatesOf(root).map(({ path }) => path),
    ...templatePaths(parseJson(paramsJson), []).map(({ path }) => path),
  ];
}

function isLong(parameters: JsonObject): boolean {
  return JSON.stringify(parameters).length > exampleCharactersMax;
}
