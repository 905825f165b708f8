/**
 * A batch matched against one revision of the rules, ready to be stored and to be published.
 *
 * Preparing is pure: ids come in, parameters and messages go out, so that a batch can be prepared again
 * under newer rules, in halves, or after a lost answer, always with the same event ids.
 */
import type { BatchToStore } from "../database/statements/events.ts";
import { enforcementCreated, eventCreated } from "../messaging/message-types.ts";
import type { OutgoingMessage } from "../messaging/message-transport.ts";
import type { TriggerDefinition } from "../model/definitions.ts";
import { messageId, type Id } from "../model/identifiers.ts";
import type { EventSource } from "../model/incoming-event.ts";
import { aimedRule } from "../model/rule-aim.ts";
import type { RuleMatch, RuleSet } from "../model/rule-match.ts";
import { TextRoom } from "../model/text-room.ts";
import { isAssigned, type AssignedSource, type WaitingEvent, type WaitingMove } from "./waiting-events.ts";

export interface IdentifiedEvent extends WaitingEvent {
  readonly id: Id;
}

/** Its id is taken from those of events, and places it among them: checkpoints are ordered by these ids. */
export interface IdentifiedMove extends WaitingMove {
  readonly id: Id;
}

export type IdentifiedEntry = IdentifiedEvent | IdentifiedMove;

/** An event whose trigger is known and enabled. */
export interface ServedEvent {
  readonly waiting: IdentifiedEvent;
  readonly trigger: TriggerDefinition;
}

export interface MatchedEvent extends ServedEvent {
  readonly matches: readonly RuleMatch[];
}

export interface PreparedEvent extends MatchedEvent {
  readonly configJson: string;
  readonly enforcementIds: readonly Id[];
  /** The rendered parameters of each match, as JSON text. */
  readonly matchConfigs: readonly string[];
}

export interface PreparedBatch {
  readonly toStore: Omit<BatchToStore, "publisherInstance">;
  readonly events: readonly PreparedEvent[];
  readonly moves: readonly IdentifiedMove[];
}

/** @throws TooMuchTextError */
export function matchEvent({ waiting, trigger }: ServedEvent, rules: RuleSet, room: TextRoom): MatchedEvent {
  const { event, id } = waiting;
  const facts = {
    id,
    triggerRef: event.triggerRef,
    payload: event.payload,
    sourceRef: event.source?.sensorRef ?? null,
    occurredAt: event.occurredAt,
    triggerInstanceId: event.triggerInstanceId,
  };
  return { waiting, trigger, matches: rules.match(facts, room) };
}

export interface BatchFacts {
  readonly moves: readonly IdentifiedMove[];
  /** As many ids as the events have matches. */
  readonly enforcementIds: readonly Id[];
  readonly revision: Id;
  readonly installationId: string;
}

/** @throws TooMuchTextError, or JavaScript's own RangeError for one match alone */
export function prepareBatch(
  matched: readonly MatchedEvent[],
  { moves, enforcementIds, revision, installationId }: BatchFacts,
): PreparedBatch {
  const sources = new Sources();
  const room = new TextRoom();
  const eventTexts: string[] = [];
  const matchTexts: string[] = [];
  const events: PreparedEvent[] = [];
  let enforcementIdsUsed = 0;

  for (const each of matched) {
    const { waiting, trigger, matches } = each;
    const source = sources.of(trigger, waiting.event.source);
    eventTexts.push(eventText(waiting, source.number, matches, installationId));
    const ownIds = enforcementIds.slice(enforcementIdsUsed, enforcementIdsUsed + matches.length);
    enforcementIdsUsed += matches.length;
    const matchConfigs: string[] = [];
    for (const [index, match] of matches.entries()) {
      const configText = JSON.stringify(match.config);
      matchConfigs.push(configText);
      const text = matchText(match, configText, ownIds[index] ?? "", waiting.id, installationId);
      room.take(text.length);
      matchTexts.push(text);
    }
    events.push({ ...each, configJson: source.configJson, enforcementIds: ownIds, matchConfigs });
  }
  const toStore = {
    events: `[${eventTexts.join(",")}]`,
    sources: sources.text(),
    matches: `[${matchTexts.join(",")}]`,
    checkpoints: checkpointsText(matched, moves),
    terms: termsText(matched, moves),
    eventCount: matched.length,
    revision,
  };
  return { toStore, events, moves };
}

/** The messages that a stored event owes, the event's own first. */
export function messagesOf(
  { waiting, trigger, matches, configJson, enforcementIds, matchConfigs }: PreparedEvent,
  storedAt: Date,
  installationId: string,
): readonly OutgoingMessage[] {
  const timestampMs = storedAt.getTime();
  const { event, id: eventId, payloadJson } = waiting;
  const own = eventCreated({
    installationId,
    eventId,
    triggerId: trigger.id,
    triggerRef: trigger.ref,
    sensorId: event.source?.sensorId ?? null,
    sensorRef: event.source?.sensorRef ?? null,
    payloadJson,
    configJson,
    timestampMs,
  });
  if (matches.length === 0) return [own];
  const others = matches.map(({ ruleId, ruleRef, actionId, actionRef }, index) =>
    enforcementCreated({
      installationId,
      enforcementId: enforcementIds[index] ?? "",
      ruleId,
      ruleRef,
      actionId,
      actionRef,
      configJson: matchConfigs[index] ?? "{}",
      eventId,
      triggerRef: trigger.ref,
      payloadJson,
      timestampMs,
    }),
  );
  return [own, ...others];
}

/** The distinct (trigger, source) pairs of a batch; most batches have one or few. */
class Sources {
  readonly #byTrigger = new Map<
    TriggerDefinition,
    Map<EventSource | null, { number: number; configJson: string }>
  >();
  readonly #texts: string[] = [];

  of(trigger: TriggerDefinition, source: EventSource | null): { number: number; configJson: string } {
    let bySource = this.#byTrigger.get(trigger);
    if (bySource === undefined) this.#byTrigger.set(trigger, (bySource = new Map()));
    let known = bySource.get(source);
    if (known === undefined) {
      known = { number: this.#texts.length, configJson: configSnapshot(trigger, source) };
      bySource.set(source, known);
      this.#texts.push(sourceText(known.number, trigger, source, known.configJson));
    }
    return known;
  }

  text(): string {
    return `[${this.#texts.join(",")}]`;
  }
}

/** What trigger and sensor were configured to be when the event happened; contract section 2. */
function configSnapshot(trigger: TriggerDefinition, source: EventSource | null): string {
  const { ref, label, paramSchema, outSchema } = trigger;
  return JSON.stringify({
    trigger: { ref, label, param_schema: paramSchema, out_schema: outSchema },
    sensor: source === null ? null : { ref: source.sensorRef, config: source.sensorConfig },
  });
}

function sourceText(
  number: number,
  trigger: TriggerDefinition,
  source: EventSource | null,
  configJson: string,
): string {
  const sensor = source === null ? "null" : source.sensorId;
  const sensorRef = JSON.stringify(source?.sensorRef ?? null);
  const generation = source?.term?.generation ?? "null";
  return (
    `{"n":${number},"trigger":${trigger.id},"trigger_ref":${JSON.stringify(trigger.ref)},` +
    `"config":${configJson},"sensor":${sensor},"sensor_ref":${sensorRef},"generation":${generation}}`
  );
}

function eventText(
  { id, event, payloadJson }: IdentifiedEvent,
  source: number,
  matches: readonly RuleMatch[],
  installationId: string,
): string {
  let text = `{"i":${id},"m":"${messageId(installationId, "event", id)}","s":${source},"p":${payloadJson}`;
  if (event.dedupKey !== null) text += `,"k":${JSON.stringify(event.dedupKey)}`;
  if (event.occurredAt !== null) text += `,"o":"${event.occurredAt}"`;
  const aimedAt = aimedRule(event.triggerInstanceId);
  if (aimedAt !== undefined) {
    // The name stays although the rule did not match: matched again, the event is still for that rule alone.
    const [match] = matches;
    text += `,"r":${match?.ruleId ?? "null"},"rr":${JSON.stringify(match?.ruleRef ?? aimedAt)}`;
  }
  return `${text}}`;
}

function matchText(
  match: RuleMatch,
  configJson: string,
  id: Id,
  eventId: Id,
  installationId: string,
): string {
  return (
    `{"i":${id},"m":"${messageId(installationId, "enforcement", id)}","e":${eventId},` +
    `"rule":${match.ruleId},"rule_ref":${JSON.stringify(match.ruleRef)},"a":${match.actionId},` +
    `"ar":${JSON.stringify(match.actionRef)},"config":${configJson},` +
    `"condition":"${match.condition}","conditions":${JSON.stringify(match.conditions)}}`
  );
}

/** The newest checkpoint of each sensor in the batch. */
function checkpointsText(matched: readonly MatchedEvent[], moves: readonly IdentifiedMove[]): string {
  const newest = new Map<Id, { readonly id: Id; readonly text: string }>();
  const note = ({ sensorId, term }: AssignedSource, id: Id, valueJson: string): void => {
    const known = newest.get(sensorId);
    if (known !== undefined && BigInt(known.id) > BigInt(id)) return;
    const text = `{"sensor":${sensorId},"generation":${term.generation},"event":${id},"value":${valueJson}}`;
    newest.set(sensorId, { id, text });
  };
  for (const { waiting } of matched) {
    const { checkpoint, source } = waiting.event;
    if (checkpoint !== undefined && isAssigned(source)) note(source, waiting.id, JSON.stringify(checkpoint));
  }
  for (const { source, id, checkpointJson } of moves) note(source, id, checkpointJson);
  return `[${Array.from(newest.values(), ({ text }) => text).join(",")}]`;
}

/** The assignments that the batch's events and checkpoints come from. */
function termsText(matched: readonly MatchedEvent[], moves: readonly IdentifiedMove[]): string {
  const texts = new Map<EventSource, string>();
  const note = (source: EventSource | null): void => {
    if (!isAssigned(source) || texts.has(source)) return;
    const { generation, instance } = source.term;
    texts.set(source, `{"sensor":${source.sensorId},"generation":${generation},"instance":"${instance}"}`);
  };
  for (const { waiting } of matched) note(waiting.event.source);
  for (const { source } of moves) note(source);
  return `[${[...new Set(texts.values())].join(",")}]`;
}
