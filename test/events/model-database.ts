/**
 * The tables of events in memory, with the meaning of the pipeline's statements and nothing else: what the
 * model in pipeline-model.test.ts stores into. Every statement is carried out at once and as a whole.
 */
import { messageId } from "../../src/model/identifiers.ts";

export interface EventRow {
  readonly id: string;
  readonly n: number;
  readonly sourceRef: string;
  readonly dedupKey: string | null;
}

export interface EnforcementRow {
  readonly id: string;
  readonly event: string;
  readonly rule: string;
  readonly ruleRef: string;
}

interface Assignment {
  readonly generation: string;
  readonly instance: string;
}

interface SentBatch {
  readonly events: readonly { i: number; m: string; s: number; p: { n: number }; k?: string }[];
  readonly sources: readonly { n: number; sensor: number; sensor_ref: string; generation: number }[];
  readonly matches: readonly { i: number; m: string; e: number; rule: number; rule_ref: string }[];
  readonly checkpoints: readonly { sensor: number; generation: number; event: number; value: number }[];
  readonly terms: readonly { sensor: number; generation: number; instance: string }[];
  readonly triggerRevisions: Readonly<Record<string, string>>;
  readonly publisherInstance: string | null;
}

/** The parameters of a statement that stores a batch. */
export function sentBatch(name: string, values: readonly unknown[]): SentBatch {
  const others = [...values];
  const events = sentEvents(name, others);
  const parsed = (text: unknown) => JSON.parse(String(text));
  const sent = name.includes("_sole")
    ? sentOfSoleSource(others.splice(0, 8))
    : sentOfAnySources(others.splice(0, 5));
  const instance = others.shift();
  // The number of events, by which a statement notices that it left some out.
  if (!name.includes("_sole") || name.includes("_keys")) others.shift();
  const matches = name.includes("_matches") ? parsed(others.shift()) : [];
  const checkpoints = name.includes("_checkpoints") ? parsed(others.shift()) : [];
  const publisherInstance = typeof instance === "string" ? instance : null;
  return { ...sent, events, matches, checkpoints, publisherInstance };
}

/** Takes the events' columns off the front of the parameters. */
function sentEvents(name: string, values: unknown[]): SentBatch["events"] {
  const numbers = (text: unknown): number[] =>
    String(text).slice(1, -1).split(",").filter(Boolean).map(Number);
  const lines = String(values.shift()).split("\n");
  const ids = numbers(values.shift());
  const messageIds = String(values.shift()).slice(1, -1).split(",");
  const sources = name.includes("_sole") ? [] : numbers(values.shift());
  const keys = name.includes("_keys") ? [values.shift()].flat() : [];
  // No event here is aimed at a rule, or part of a trace.
  return ids.map((i, place) => {
    const key = keys[place];
    const event = {
      i,
      m: messageIds[place] ?? "",
      s: sources[place] ?? 0,
      p: JSON.parse(lines[place] ?? ""),
    };
    return typeof key === "string" ? { ...event, k: key } : event;
  });
}

type SentSources = Pick<SentBatch, "sources" | "terms" | "triggerRevisions">;

function sentOfAnySources(values: readonly unknown[]): SentSources {
  const [sources, sensors, generations, instances, revisions] = values;
  const terms = [sensors].flat().map((sensor, index) => ({
    sensor: Number(sensor),
    generation: Number([generations].flat()[index]),
    instance: String([instances].flat()[index]),
  }));
  return { sources: JSON.parse(String(sources)), terms, triggerRevisions: JSON.parse(String(revisions)) };
}

function sentOfSoleSource(values: readonly unknown[]): SentSources {
  const [sensor, generation, instance, revision, , triggerRef, sensorRef] = values.map(String);
  const term = { sensor: Number(sensor), generation: Number(generation) };
  return {
    sources: [{ n: 0, ...term, sensor_ref: sensorRef ?? "" }],
    terms: [{ ...term, instance: instance ?? "" }],
    triggerRevisions: { [triggerRef ?? ""]: revision ?? "" },
  };
}

export class ModelDatabase {
  readonly installationId = "0b5ab3f2-6f7c-4c42-9a53-64b0e0f20c11";
  readonly events = new Map<string, EventRow>();
  readonly enforcements = new Map<string, EnforcementRow>();
  /** By message id, the instance that is to send it. */
  readonly outbox = new Map<string, string | null>();
  readonly checkpoints = new Map<number, { value: number; event: number; instance: string }>();
  readonly assignments = new Map<number, Assignment>();
  revision = 1;
  #last = 0;

  reserve(count: number): string[] {
    return Array.from({ length: count }, () => `${(this.#last += 1)}`);
  }

  /** @throws as PostgreSQL does for a key that is taken, having stored nothing */
  store(batch: SentBatch): object {
    const isHeld = (term: { sensor: number; generation: number }): boolean =>
      this.assignments.get(term.sensor)?.generation === `${term.generation}`;
    const held = batch.terms.filter(
      (term) => isHeld(term) && this.assignments.get(term.sensor)?.instance === term.instance,
    );
    const answer = (stored: string[], isCurrent: boolean): object => ({
      is_current: isCurrent,
      held: held.map(({ sensor, generation }) => `${sensor}:${generation}`),
      stored: stored.length < batch.events.length ? stored : null,
      stored_at: new Date(0),
    });
    const isNewest = (revision: string): boolean => revision === `${this.revision}`;
    if (!Object.values(batch.triggerRevisions).every(isNewest)) return answer([], false);

    const rows: EventRow[] = [];
    for (const { i, s, p, k } of batch.events) {
      const source = batch.sources.find(({ n }) => n === s);
      if (source === undefined || !held.some(({ sensor }) => sensor === source.sensor)) continue;
      const isKnown = [...this.events.values(), ...rows].some(
        ({ dedupKey, sourceRef }) => k !== undefined && dedupKey === k && sourceRef === source.sensor_ref,
      );
      if (!isKnown) rows.push({ id: `${i}`, n: p.n, sourceRef: source.sensor_ref, dedupKey: k ?? null });
    }
    const matches = batch.matches.filter(({ e }) => rows.some(({ id }) => id === `${e}`));
    for (const { id } of rows) if (this.events.has(id)) throw taken("event_pkey");
    for (const { i } of matches) if (this.enforcements.has(`${i}`)) throw taken("enforcement_pkey");

    for (const row of rows) {
      this.events.set(row.id, row);
      this.outbox.set(this.#messageId("event", row.id), batch.publisherInstance);
    }
    for (const { i, e, rule, rule_ref: ruleRef } of matches) {
      this.enforcements.set(`${i}`, { id: `${i}`, event: `${e}`, rule: `${rule}`, ruleRef });
      this.outbox.set(this.#messageId("enforcement", `${i}`), batch.publisherInstance);
    }
    for (const { sensor, value, event } of batch.checkpoints) {
      const instance = held.find((term) => term.sensor === sensor)?.instance;
      const known = this.checkpoints.get(sensor);
      if (instance === undefined) continue;
      if (known === undefined || known.instance !== instance || known.event <= event)
        this.checkpoints.set(sensor, { value, event, instance });
    }
    return answer(
      rows.map(({ id }) => id),
      true,
    );
  }

  find(sought: readonly { i: number; p: { n: number } }[]): object[] {
    return sought.flatMap(({ i, p }) => {
      const row = this.events.get(`${i}`);
      if (row?.n !== p.n) return [];
      const enforcements = [...this.enforcements.values()]
        .filter(({ event }) => event === row.id)
        .map(({ id, ruleRef }) => ({ id, rule_ref: ruleRef, config: {} }));
      return [{ id: row.id, enforcements }];
    });
  }

  findDuplicates(keys: readonly { n: number; source_ref: string; dedup_key: string }[]): object[] {
    return keys.flatMap(({ n, source_ref, dedup_key }) =>
      [...this.events.values()]
        .filter(({ sourceRef, dedupKey }) => sourceRef === source_ref && dedupKey === dedup_key)
        .map(({ id }) => ({ n, id })),
    );
  }

  release(messageIds: readonly string[]): void {
    for (const id of messageIds) if (this.outbox.has(id)) this.outbox.set(id, null);
  }

  /** Every message that the rows owe, with what it must say. */
  messages(): ReadonlyMap<string, EventRow | EnforcementRow> {
    return new Map<string, EventRow | EnforcementRow>([
      ...[...this.events.values()].map((row) => [this.#messageId("event", row.id), row] as const),
      ...[...this.enforcements.values()].map((row) => [this.#messageId("enforcement", row.id), row] as const),
    ]);
  }

  #messageId(kind: "event" | "enforcement", id: string): string {
    return messageId(this.installationId, kind, id);
  }
}

function taken(constraint: string): Error {
  return Object.assign(new Error(`duplicate key value violates ${constraint}`), {
    code: "23505",
    constraint,
  });
}
