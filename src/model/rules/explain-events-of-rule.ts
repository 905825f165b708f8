/** Why a rule did not match the last events of its trigger, grouped by the condition that failed. */
import type { Id } from "../identifiers.ts";
import { PredicateTable } from "../conditions/predicate.ts";
import { compileRule } from "./compiled-rule.ts";
import { momentOf, storySentence, storyWork, type ExplainedEvent, type RuleStory } from "./explain-event.ts";
import { explainPrepared, failureText, type RuleVerdict } from "./explain-rule.ts";
import { prepareVersion, type PreparedVersion } from "./prepared-version.ts";
import { ruleOf, versionAt, type RuleVersion } from "./rules-at.ts";
import { aimOf, factsOf } from "./stored-facts.ts";
import { meantText } from "../texts/meant-text.ts";

export interface EventOfRule extends ExplainedEvent {
  /** Of this rule; null: none is stored. */
  readonly enforcementId: Id | null;
}

export interface RuleFindings {
  readonly ref: string;
  /** The newest rule that has or had this ref: its versions, in ascending order; empty if there never was one. */
  readonly versions: readonly RuleVersion[];
  /** The ref of a rule that may have been meant. */
  readonly meant: string | undefined;
  /** Of its trigger, the newest first. */
  readonly events: readonly EventOfRule[];
  /** Undefined: its trigger does not exist. */
  readonly trigger: { readonly isEnabled: boolean; readonly sensorRefs: readonly string[] } | undefined;
  /** The ref of a trigger that may have been meant. */
  readonly triggerMeant: string | undefined;
}

export interface ReasonGroup {
  readonly kind: RuleStory["kind"];
  /** Such as the condition that failed in the example. */
  readonly reason: string;
  readonly events: number;
  /** The newest of them. */
  readonly example: Id;
  readonly exampleAt: Date;
  readonly counterfactual: string | undefined;
}

export interface RuleEventsExplanation {
  /** In one sentence. */
  readonly answer: string;
  readonly triggerRef: string | null;
  readonly matched: number;
  readonly examined: number;
  /** The newest event that matched. */
  readonly lastMatch: Id | null;
  /** The most frequent first. */
  readonly groups: readonly ReasonGroup[];
}

/** Yields after each event how much work it was, see concurrency/work-slices.ts. */
export function* explainEventsOfRule(findings: RuleFindings): Generator<number, RuleEventsExplanation> {
  const { ref, versions, events, meant } = findings;
  const newest = versions.at(-1);
  if (newest === undefined) {
    const answer = storySentence(ref, { kind: "unknown", meant });
    return { answer, triggerRef: null, matched: 0, examined: 0, lastMatch: null, groups: [] };
  }
  const prepared = new Map<RuleVersion, PreparedVersion>();
  const preparedOf = (version: RuleVersion): PreparedVersion =>
    prepared.getOrInsertComputed(version, prepareVersion);
  const stories: Told[] = [];
  for (const event of events) {
    const story = storyOf(event, versions, preparedOf);
    stories.push({ event, story });
    yield storyWork(story);
  }
  const matches = stories.filter(({ story }) => story.kind === "matched");
  const groups = groupsOf(stories.filter(({ story }) => story.kind !== "matched"));
  const found = {
    triggerRef: newest.triggerRef,
    matched: matches.length,
    examined: events.length,
    lastMatch: matches[0]?.event.id ?? null,
    groups,
  };
  return { answer: answerOf(findings, newest, found), ...found };
}

type Found = Omit<RuleEventsExplanation, "answer">;

function answerOf(findings: RuleFindings, newest: RuleVersion, found: Found): string {
  const { ref } = findings;
  const before = found.matched === 0 ? "" : `; before that, it ${countText(found)}`;
  const who = `by ${newest.changedBy} at ${newest.changedAt.toISOString()}`;
  const rule = ruleOf(newest);
  if (rule === undefined) return `${ref} was deleted ${who}${before}`;
  if (rule.ref !== ref) return `${ref} is called ${rule.ref} now, ${who}${before}`;
  const compiled = compileRule(rule, new PredicateTable());
  if (compiled.kind === "invalid") return `${ref} is invalid and matches nothing: ${compiled.problem}`;
  if (!rule.isEnabled) {
    const since = findings.versions.findLast(({ isEffective }) => isEffective) ?? newest;
    return `${ref} is disabled; its last change was by ${since.changedBy} at ${since.changedAt.toISOString()}${before}`;
  }
  return triggerText(findings, rule.triggerRef, found) ?? matchesText(findings, found);
}

/** If it is the trigger that has no events for the rule. */
function triggerText(
  { ref, trigger, triggerMeant, events }: RuleFindings,
  triggerRef: string,
  { groups }: Pick<Found, "groups">,
): string | undefined {
  if (trigger === undefined)
    return `${ref} has nothing to match: its trigger ${triggerRef} does not exist${meantText(triggerMeant)}`;
  const [sensor] = trigger.sensorRefs;
  if (!trigger.isEnabled) {
    const next = sensor === undefined ? "" : `; \`sensors explain ${sensor}\` counts them`;
    return `${ref} has nothing to match: its trigger ${triggerRef} is disabled, so its events are refused${next}`;
  }
  const next = nextStep(ref, sensor);
  if (events.length === 0)
    return `${ref} has had nothing to match: its trigger ${triggerRef} has no stored event; ${next}`;
  const [group] = groups;
  if (group?.kind !== "aimed-elsewhere" || group.events < events.length) return undefined;
  const last = events.length === 1 ? "last event" : `last ${events.length} events`;
  const each = events.length === 1 ? "is for another rule only" : "are each for another rule only";
  return `${ref} has had nothing to match: the ${last} of ${triggerRef} ${each}; ${next}`;
}

/** What tells more about events that do not come. */
function nextStep(ref: string, sensorRef: string | undefined): string {
  switch (sensorRef) {
    case undefined:
      return "no sensor serves it";
    case "core.timers":
      return `\`timers show ${ref}\` says when it fires next, and what became of its slots`;
    case "core.webhooks":
      return "`deliveries list` shows which requests to webhooks came, and what became of them";
    default:
      return `\`sensors explain ${sensorRef}\` says why its sensor reports none`;
  }
}

function matchesText(findings: RuleFindings, found: Found): string {
  const { ref, events, versions } = findings;
  const count = countText(found);
  const [group] = found.groups;
  if (found.matched > 0) return `${ref} ${count}, most recently event ${found.lastMatch}`;
  if (group?.kind === "not-yet" && group.events === events.length) {
    const since = versions[0]?.changedAt.toISOString() ?? "";
    return `${ref} is younger than the events of its trigger: it came at ${since}, and the last event, ${events[0]?.id}, at ${events[0]?.createdAt.toISOString()}`;
  }
  if (group === undefined) return `${ref} ${count}`;
  const share = group.events === found.examined ? "" : `${group.events} of them because `;
  return `${ref} ${count}: ${share}${group.reason}`;
}

function countText({ matched, examined, triggerRef }: Found): string {
  if (examined === 1) return `${matched === 0 ? "did not match" : "matched"} the last event of ${triggerRef}`;
  return `matched ${matched === 0 ? "none" : matched} of the last ${examined} events of ${triggerRef}`;
}

function storyOf(
  event: EventOfRule,
  versions: readonly RuleVersion[],
  preparedOf: (version: RuleVersion) => PreparedVersion,
): RuleStory {
  if (event.enforcementId !== null) return { kind: "matched", config: {} };
  // Whatever the rule was then: each rule on a built-in trigger has events of its own.
  const { ruleRef: aim } = event;
  if (aim !== null && versions.every(({ ruleId, ruleRef }) => aim !== ruleRef && aim !== ruleId))
    return { kind: "aimed-elsewhere", at: aim };
  const version = versionAt(versions, momentOf(event));
  if (version === undefined) {
    const [first] = versions;
    return { kind: "not-yet", since: first?.changedAt ?? event.createdAt, by: first?.changedBy ?? "" };
  }
  const { prepared } = preparedOf(version);
  if (prepared === undefined) return { kind: "deleted", since: version.changedAt, by: version.changedBy };
  return explainPrepared(prepared, factsOf(event, aimOf(event)));
}

interface Told {
  readonly event: EventOfRule;
  readonly story: RuleStory;
}

function groupsOf(stories: readonly Told[]): readonly ReasonGroup[] {
  return Map.groupBy(stories, ({ story }) => keyOf(story))
    .values()
    .flatMap((told): readonly ReasonGroup[] => {
      const [first] = told;
      if (first === undefined) return [];
      const { event, story } = first;
      return [
        {
          kind: story.kind,
          reason: reasonOf(story),
          events: told.length,
          example: event.id,
          exampleAt: event.createdAt,
          counterfactual: story.kind === "unmatched" ? story.counterfactual : undefined,
        },
      ];
    })
    .toArray()
    .toSorted((one, other) => other.events - one.events);
}

/** Events whose first failure is the same condition belong together. */
function keyOf(story: RuleStory): string {
  if (story.kind !== "unmatched") return story.kind;
  const [first] = story.failures;
  return JSON.stringify([
    first?.place,
    first?.path,
    first?.operator,
    first?.expected,
    first?.seen === undefined,
  ]);
}

function reasonOf(story: RuleStory): string {
  switch (story.kind) {
    case "matched":
      return "it matched";
    case "unmatched": {
      const [first] = story.failures;
      return first === undefined ? "its conditions can never hold" : failureText(first);
    }
    case "not-yet":
      return `the rule did not exist yet: it came at ${story.since.toISOString()}`;
    case "deleted":
      return "the rule was deleted";
    case "unknown":
      return "there was no such rule";
    default:
      return plainReason(story);
  }
}

function plainReason(verdict: Exclude<RuleVerdict, { readonly kind: "matched" | "unmatched" }>): string {
  switch (verdict.kind) {
    case "invalid":
      return `the rule was invalid: ${verdict.reason}`;
    case "disabled":
      return "the rule was disabled";
    case "other-trigger":
      return `the rule was on the trigger ${verdict.triggerRef}`;
    case "aimed-elsewhere":
      return `the event is for the rule ${verdict.at} only`;
    case "too-long":
      return `its action_params become too long: ${verdict.reason}`;
  }
}
