/**
 * Which trigger a CloudEvent belongs to: a trigger's `cloudevents` is `{type, source?}`, each a text or, with `*` at its end, the
 * beginning of one.
 *
 * The most specific mapping decides, so that one CloudEvent is one event: first by type, then by source. A text is more
 * specific than a beginning, a longer beginning than a shorter one, and any source than none. Of equal ones the trigger
 * whose ref sorts first counts.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { isJsonObject, type JsonValue } from "../json/json.ts";

export interface TriggerMapping {
  readonly type: string;
  /** Null: any. */
  readonly source: string | null;
}

export interface MappedTrigger {
  readonly triggerRef: string;
  readonly mapping: TriggerMapping;
}

const lengthMax = 1_024;

export function decodeTriggerMapping(value: JsonValue): Decoded<TriggerMapping> {
  if (!isJsonObject(value)) return invalid("must be a mapping with the type of CloudEvents");
  const { type, source = null, ...others } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return invalid(`has ${unknown}, but only type and source are known`);
  if (!isPattern(type)) return invalid("type must be the type of CloudEvents, or its beginning and *");
  if (source !== null && !isPattern(source))
    return invalid("source must be the source of CloudEvents, or its beginning and *");
  return valid({ type, source });
}

function isPattern(value: JsonValue | undefined): value is string {
  return typeof value === "string" && value !== "" && value.length <= lengthMax;
}

export class TriggerTable {
  /** Mappings of exactly this type, and those of the beginning of one, each in order of preference. */
  readonly #exact: ReadonlyMap<string, readonly MappedTrigger[]>;
  readonly #beginnings: readonly MappedTrigger[];

  constructor(triggers: readonly MappedTrigger[]) {
    const ordered = triggers.toSorted(preferred);
    this.#exact = Map.groupBy(
      ordered.filter(({ mapping }) => !isBeginning(mapping.type)),
      ({ mapping }) => mapping.type,
    );
    this.#beginnings = ordered.filter(({ mapping }) => isBeginning(mapping.type));
  }

  /** Undefined: no trigger takes it. */
  triggerFor(type: string, source: string): string | undefined {
    const exact = this.#exact.get(type)?.find(({ mapping }) => matchesSource(mapping, source));
    if (exact !== undefined) return exact.triggerRef;
    return this.#beginnings.find(
      ({ mapping }) => matches(mapping.type, type) && matchesSource(mapping, source),
    )?.triggerRef;
  }
}

function matchesSource({ source }: TriggerMapping, text: string): boolean {
  return source === null || matches(source, text);
}

function matches(pattern: string, text: string): boolean {
  return isBeginning(pattern) ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}

function isBeginning(pattern: string): boolean {
  return pattern.endsWith("*");
}

function preferred(one: MappedTrigger, other: MappedTrigger): number {
  return (
    weight(other.mapping.type) - weight(one.mapping.type) ||
    weight(other.mapping.source) - weight(one.mapping.source) ||
    (one.triggerRef < other.triggerRef ? -1 : 1)
  );
}

function weight(pattern: string | null): number {
  if (pattern === null) return -1;
  return isBeginning(pattern) ? pattern.length - 1 : lengthMax + 1;
}
