/** Why an event did or did not match each rule on its trigger, in the rules' versions at the time of the match. */
import type { Id } from "../identifiers.ts";
import type { JsonObject } from "../json/json.ts";
import { explainPrepared, verdictSentence, type RuleVerdict } from "./explain-rule.ts";
import { prepareVersion, type PreparedVersion } from "./prepared-version.ts";
import type { EventFacts } from "./rule-match.ts";
import { versionAt, type Moment, type RuleVersion } from "./rules-at.ts";
import { aimOf, factsOf } from "./stored-facts.ts";
import { meantText } from "../texts/meant-text.ts";

export interface ExplainedEvent {
  readonly id: Id;
  readonly triggerRef: string;
  readonly payload: JsonObject;
  readonly sourceRef: string | null;
  /** The only rule that it was meant for. */
  readonly ruleRef: string | null;
  readonly occurredAt: Date | null;
  readonly dedupKey: string | null;
  readonly createdAt: Date;
  readonly matchedRevision: Id | null;
  /** The event that a forced replay stored anew as this one. */
  readonly replayedFrom: Id | null;
}

/** What became of a match. */
export interface MatchFate {
  readonly id: Id;
  readonly ruleId: Id | null;
  readonly ruleRef: string;
  readonly status: string;
  readonly createdAt: Date;
  /** A replay, which goes by later rules, has added it to the event. */
  readonly isAdded: boolean;
  readonly config: JsonObject;
  /** Since when its message has waited for the broker; null: the broker has confirmed it. */
  readonly owedSince: Date | null;
  /** Why the broker refused it last. */
  readonly refusal: string | null;
}

export type RuleStory =
  | RuleVerdict
  /** The rule came to the trigger after the event. */
  | { readonly kind: "not-yet"; readonly since: Date; readonly by: string }
  /** The rule was deleted before the event. */
  | { readonly kind: "deleted"; readonly since: Date; readonly by: string }
  /** There is no rule with that ref, and never was. */
  | { readonly kind: "unknown"; readonly meant: string | undefined };

export interface RuleExplanation {
  readonly ruleId: Id | null;
  readonly ruleRef: string;
  /** The version that was in force; null if there was none. */
  readonly version: Id | null;
  readonly story: RuleStory;
  readonly sentence: string;
  readonly fate: MatchFate | null;
  /** What contradicts the stored match. */
  readonly doubt?: string;
}

export interface EventExplanation {
  /** In one sentence. */
  readonly answer: string;
  readonly notes: readonly string[];
  readonly rules: readonly RuleExplanation[];
}

export interface LaterRule {
  readonly id: Id;
  readonly ref: string;
  readonly firstSeenAt: Date;
  readonly firstSeenBy: string;
}

export interface EventFindings {
  readonly event: ExplainedEvent;
  /** Of each rule on the trigger, the version that was in force. */
  readonly versions: readonly PreparedVersion[];
  /** The rules that are on the trigger now and were not then. */
  readonly laterRules: readonly LaterRule[];
  readonly fates: readonly MatchFate[];
  /** The rule that the question is about; undefined: all on the trigger. */
  readonly about: AskedRule | undefined;
}

export interface AskedRule {
  readonly ref: string;
  /** All versions of the rules that have or had this ref, in ascending order. */
  readonly versions: readonly RuleVersion[];
  /** The ref of a rule that may have been meant. */
  readonly meant: string | undefined;
}

export function momentOf({ matchedRevision, createdAt }: ExplainedEvent): Moment {
  return { revision: matchedRevision, at: createdAt };
}

/** Yields after each rule how much work it was, see concurrency/work-slices.ts. */
export function* explainEvent(findings: EventFindings): Generator<number, EventExplanation> {
  const { event, about } = findings;
  const notes = [...notesOn(findings)];
  if (about !== undefined) {
    const rule = explainAsked(findings, about);
    notes.push(...doubtOf(event, rule));
    return { answer: `event ${event.id}: ${rule.sentence}${fateText(rule.fate)}`, notes, rules: [rule] };
  }
  const fates = new Map(findings.fates.map((fate) => [fate.ruleId, fate]));
  const facts = factsOf(event, aimOf(event));
  const rules: RuleExplanation[] = [];
  for (const version of findings.versions) {
    const rule = explainVersion(version, facts, fates.get(version.version.ruleId) ?? null);
    rules.push(rule);
    notes.push(...doubtOf(event, rule));
    yield storyWork(rule.story);
  }
  rules.push(...findings.laterRules.map((rule) => explainLater(rule, fates.get(rule.id) ?? null)));
  return { answer: answerOf(event, rules), notes, rules };
}

/** Without a revision, the rules of the time are not known well enough. */
function doubtOf({ matchedRevision }: ExplainedEvent, { doubt }: RuleExplanation): readonly string[] {
  return doubt === undefined || matchedRevision === null ? [] : [doubt];
}

/** About what a story cost to find and to tell, in characters of parsing. */
export function storyWork(story: RuleStory): number {
  if (story.kind !== "unmatched") return comparisonWork;
  let work = comparisonWork;
  for (const { seen, operator } of story.failures)
    work += seen === undefined || operator === "matches" ? searchWork : comparisonWork;
  return work;
}

const comparisonWork = 1_500;
/** For what was probably meant: fields of like names, or a pattern that is lenient. */
const searchWork = 16_000;

function answerOf(event: ExplainedEvent, rules: readonly RuleExplanation[]): string {
  const present = rules.filter(({ story, fate }) => story.kind !== "not-yet" || fate !== null);
  const matched = present.filter(({ story }) => story.kind === "matched");
  const [first] = matched;
  const subject = `event ${event.id}`;
  if (first !== undefined) {
    const count = present.length === 1 ? "" : `${matched.length} of ${present.length} rules: `;
    const refs = matched.slice(0, namedMax).map(({ ruleRef }) => ruleRef);
    const more = matched.length > namedMax ? ` and ${matched.length - namedMax} more` : "";
    const added = present.filter(({ story, fate }) => story.kind !== "matched" && fate !== null);
    const later =
      added.length === 0 ? "" : `; ${addedText} ${added.map(({ ruleRef }) => ruleRef).join(", ")}`;
    return `${subject} matched ${count}${refs.join(", ")}${more}${matched.length === 1 ? fateText(first.fate) : ""}${later}`;
  }
  const [only, another] = present;
  if (only === undefined) {
    const [later] = rules;
    return later === undefined
      ? `${subject} matched nothing: there was no rule on its trigger ${event.triggerRef}`
      : `${subject} matched nothing: ${later.sentence}`;
  }
  if (isAimedNowhere(event, rules))
    return `${subject} matched nothing: it is for the rule ${event.ruleRef} only, which was not on its trigger ${event.triggerRef}`;
  if (another === undefined) return `${subject}: ${only.sentence}${fateText(only.fate)}`;
  const closest = present.toSorted((one, other) => distanceOf(one) - distanceOf(other))[0] ?? only;
  return `${subject} matched none of the ${present.length} rules on ${event.triggerRef}; the closest: ${closest.sentence}${fateText(closest.fate)}`;
}

/** A sensor that works for each rule separately names one that it should not. */
function isAimedNowhere({ ruleRef }: ExplainedEvent, rules: readonly RuleExplanation[]): boolean {
  return ruleRef !== null && !rules.some((rule) => rule.ruleRef === ruleRef || rule.ruleId === ruleRef);
}

const addedText = "a replay has since matched";

const namedMax = 10;

/** The fewer of its conditions failed, the closer a rule was. */
function distanceOf({ story, fate }: RuleExplanation): number {
  if (fate !== null) return -1;
  if (story.kind === "unmatched") return story.failures.length;
  return story.kind === "too-long" ? 0 : 1_000;
}

function notesOn({ event, fates, versions, laterRules }: EventFindings): readonly string[] {
  const notes: string[] = [];
  if (event.matchedRevision === null)
    notes.push(
      "the event is from before the history of rules: the rules are those of the oldest version known, which may have been others then",
    );
  if (event.replayedFrom !== null)
    notes.push(`a replay has stored the event anew; the original is event ${event.replayedFrom}`);
  if (event.ruleRef !== null) notes.push(`the event is for the rule ${event.ruleRef} only`);
  const known = new Set([
    ...versions.map(({ version }) => version.ruleId),
    ...laterRules.map(({ id }) => id),
  ]);
  for (const fate of fates)
    if (fate.ruleId === null || !known.has(fate.ruleId))
      notes.push(
        `enforcement ${fate.id} is of the rule ${fate.ruleRef}, which was not on the trigger then${fateText(fate)}`,
      );
  return notes;
}

function explainVersion(
  { version, prepared }: PreparedVersion,
  facts: EventFacts,
  fate: MatchFate | null,
): RuleExplanation {
  const { ruleId, id } = version;
  const ref = prepared?.rule.ref ?? version.ruleRef;
  const about = { ruleId, ruleRef: ref, version: id, fate };
  if (prepared === undefined) {
    const story = { kind: "deleted", since: version.changedAt, by: version.changedBy } as const;
    return { ...about, story, sentence: storySentence(ref, story) };
  }
  const verdict = explainPrepared(prepared, facts);
  // What is stored is what happened, except that a replay goes by a later version.
  const isMatched = fate !== null && (!fate.isAdded || verdict.kind === "matched");
  const story: RuleVerdict = isMatched ? { kind: "matched", config: fate.config } : verdict;
  const told =
    story.kind === "disabled"
      ? `${ref} was disabled then; its last change before was by ${version.changedBy} at ${version.changedAt.toISOString()}`
      : storySentence(ref, story);
  const sentence = isMatched ? told : `${told}${laterText(fate)}`;
  // Another program may have stored it, or somebody has changed rows; `verify` reports that.
  if (!isMatched || verdict.kind === "matched") return { ...about, story, sentence };
  const doubt = `enforcement ${fate.id} is stored, although ${storySentence(ref, verdict)}`;
  return { ...about, story, sentence, doubt };
}

function laterText(fate: MatchFate | null): string {
  return fate === null ? "" : `; ${addedText} it`;
}

function explainLater(
  { id, ref, firstSeenAt: since, firstSeenBy: by }: LaterRule,
  fate: MatchFate | null,
): RuleExplanation {
  const story = { kind: "not-yet", since, by } as const;
  return {
    ruleId: id,
    ruleRef: ref,
    version: null,
    story,
    sentence: `${storySentence(ref, story)}${laterText(fate)}`,
    fate,
  };
}

function explainAsked(findings: EventFindings, { ref, versions, meant }: AskedRule): RuleExplanation {
  const { event, fates } = findings;
  const moment = momentOf(event);
  const inForce = Map.groupBy(versions, ({ ruleId }) => ruleId)
    .values()
    .map((own) => versionAt(own, moment))
    .filter((version) => version !== undefined)
    .toArray();
  const version = inForce.findLast(({ definition }) => definition !== null) ?? inForce.at(-1);
  if (version !== undefined) {
    const fate = fates.find(({ ruleId }) => ruleId === version.ruleId) ?? null;
    return explainVersion(prepareVersion(version), factsOf(event, aimOf(event)), fate);
  }
  const [first] = versions;
  const story: RuleStory =
    first === undefined
      ? { kind: "unknown", meant }
      : { kind: "not-yet", since: first.changedAt, by: first.changedBy };
  const fate = fates.find(({ ruleId }) => first !== undefined && ruleId === first.ruleId) ?? null;
  return {
    ruleId: first?.ruleId ?? null,
    ruleRef: ref,
    version: null,
    story,
    sentence: `${storySentence(ref, story)}${laterText(fate)}`,
    fate,
  };
}

export function storySentence(ref: string, story: RuleStory): string {
  switch (story.kind) {
    case "not-yet":
      return `${ref} did not exist yet: ${story.by} made it at ${story.since.toISOString()}, after the event`;
    case "deleted":
      return `${ref} was deleted before the event, by ${story.by} at ${story.since.toISOString()}`;
    case "unknown":
      return `there is no rule ${ref}, and there was none${meantText(story.meant)}`;
    default:
      return verdictSentence(ref, story);
  }
}

/** What became of a match, as the end of a sentence. */
function fateText(fate: MatchFate | null): string {
  if (fate === null) return "";
  const { id, status, owedSince, refusal } = fate;
  const message =
    owedSince === null
      ? "the broker has confirmed its message"
      : refusal === null
        ? `its message has waited for the broker since ${owedSince.toISOString()}`
        : `the broker refuses its message: ${refusal}`;
  return ` (enforcement ${id} ${status}; ${message})`;
}
