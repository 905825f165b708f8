/** What the statement that stores a batch reads: JSON texts, put together from texts that are known already. */
import type { SoleSource, TermToHold } from "../database/statements/batch-to-store.ts";
import type { TriggerDefinition } from "../model/definitions.ts";
import type { Id } from "../model/identifiers.ts";
import type { EventSource } from "../model/sensors/incoming-event.ts";
import type { RuleMatch } from "../model/rules/rule-match.ts";
import { idOf, isAssigned, type Entry } from "./entries.ts";

export interface KnownSource {
  readonly number: number;
  readonly configJson: string;
}

/** The distinct (trigger, source) pairs of a batch; most batches have one or few. */
export class Sources {
  readonly #byTrigger = new Map<TriggerDefinition, Map<EventSource | null, KnownSource>>();
  readonly #texts: string[] = [];

  of(trigger: TriggerDefinition, source: EventSource | null): KnownSource {
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

  /** The only pair; undefined if there are several, or if entries of other assignments are in the batch. */
  sole(terms: readonly TermToHold[], triggerRevisions: ReadonlyMap<string, Id>): SoleSource | undefined {
    const [[trigger, bySource] = [], ...otherTriggers] = this.#byTrigger;
    const [[source, known] = [], ...otherSources] = bySource ?? [];
    if (trigger === undefined || source === undefined || known === undefined) return undefined;
    // Terms are those of all entries: a guarded source's is among them.
    const isGuarded = isAssigned(source);
    if (otherTriggers.length > 0 || otherSources.length > 0 || terms.length !== (isGuarded ? 1 : 0))
      return undefined;
    return {
      triggerId: trigger.id,
      triggerRef: trigger.ref,
      triggerRevision: triggerRevisions.get(trigger.ref) ?? "0",
      config: known.configJson,
      sensorId: source?.sensorId ?? null,
      sensorRef: source?.sensorRef ?? null,
      term: isGuarded ? source.term : null,
    };
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

/** A match's part of the statement, without the ids. */
export function matchText(match: RuleMatch, configJson: string): string {
  return (
    `"rule":${match.ruleId},"rule_ref":${JSON.stringify(match.ruleRef)},"a":${match.actionId},` +
    `"ar":${JSON.stringify(match.actionRef)},"config":${configJson},` +
    `"condition":"${match.condition}","conditions":${match.conditionsJson}`
  );
}

/** The newest checkpoint of each sensor in the batch: the last one, since ids ascend within a sensor. */
export function checkpointsText(entries: readonly Entry[]): string {
  const newest = new Map<Id, string>();
  for (const entry of entries) {
    const { source, checkpointJson } = entry;
    if (checkpointJson === undefined || !isAssigned(source)) continue;
    const { sensorId, term } = source;
    newest.set(
      sensorId,
      `{"sensor":${sensorId},"generation":${term.generation},"event":${idOf(entry)},"value":${checkpointJson}}`,
    );
  }
  return `[${[...newest.values()].join(",")}]`;
}

/** The assignments that the batch's entries come from. */
export function termsOf(entries: readonly Entry[]): readonly TermToHold[] {
  const terms = new Map<string, TermToHold>();
  let last: EventSource | null = null;
  for (const { source } of entries) {
    // Most batches come from one source.
    if (source === last || !isAssigned(source)) continue;
    last = source;
    const { sensorId, term } = source;
    const { generation, instance } = term;
    terms.set(`${sensorId}:${generation}:${instance}`, { sensorId, generation, instance });
  }
  return [...terms.values()];
}
