/**
 * What travels through the pipeline: events, and checkpoints without one.
 *
 * An entry keeps for good what was drawn or learned for it. Its id, and the ids of its enforcements by rule,
 * are drawn once, so that every attempt to store it writes the same rows and owes the same messages.
 */
import { messageId, type Id } from "../model/identifiers.ts";
import type {
  AcceptOutcome,
  AdvanceOutcome,
  AssignmentTerm,
  EventSource,
  IncomingEvent,
} from "../model/sensors/incoming-event.ts";

/** A source that a worker is assigned to. Only such a source has a checkpoint. */
export interface AssignedSource extends EventSource {
  readonly term: AssignmentTerm;
}

interface AnyEntry {
  /** Drawn from the sequence of events when the entry is first taken into a batch; undefined until then. */
  id: Id | undefined;
  /** An attempt to store it is under way, or was the last one needed. */
  isAttempted: boolean;
  /** An attempt to store it ended without an answer, so it may be stored, or be stored any moment. */
  isInDoubt: boolean;
  /** Its submitter was told that it will not be stored. */
  isWithdrawn: boolean;
}

export interface EventEntry extends AnyEntry {
  readonly kind: "event";
  readonly source: EventSource | null;
  readonly event: IncomingEvent;
  /** The payload as JSON text that the database can hold. */
  readonly payloadJson: string;
  /** The checkpoint likewise; undefined if there is none, or no assignment to store it under. */
  readonly checkpointJson: string | undefined;
  readonly acceptedAtMs: number;
  readonly settle: (outcome: AcceptOutcome) => void;
  readonly abandon: (reason: Error) => void;
  /** By rule; undefined until one is drawn. */
  enforcementIds: Map<Id, Id> | undefined;
}

/** A checkpoint on its own: given in as such, or left of an event that was refused. */
export interface MoveEntry extends AnyEntry {
  readonly kind: "move";
  readonly source: AssignedSource;
  readonly checkpointJson: string;
  readonly settle: (outcome: AdvanceOutcome) => void;
  readonly abandon: (reason: Error) => void;
}

export type Entry = EventEntry | MoveEntry;

export function isAssigned(source: EventSource | null): source is AssignedSource {
  return source !== null && source.term !== null;
}

/** What an entry begins with. */
export const untried = { id: undefined, isAttempted: false, isInDoubt: false, isWithdrawn: false } as const;

/**
 * Whether it is certain that the entry is not stored and will not be, should it be left out from now on. An attempt under
 * way, or one whose answer was lost, may still store it.
 */
export function canWithdraw({ isAttempted, isInDoubt }: Entry): boolean {
  return !isAttempted && !isInDoubt;
}

/** The id of an entry of a batch, where every entry has one. */
export function idOf({ id }: Entry): Id {
  if (id === undefined) throw new Error("an entry was stored before its id was drawn");
  return id;
}

/** Characters that are read from it; close enough to bytes for a bound, and free to know. */
export function sizeOf(entry: Entry): number {
  const checkpoint = entry.checkpointJson?.length ?? 0;
  return entry.kind === "event" ? entry.payloadJson.length + checkpoint : checkpoint;
}

/** What is left of a refused event: its checkpoint, which settles the event with the refusal once it is stored. */
export function moveLeftOf(entry: EventEntry, reason: string): MoveEntry | undefined {
  const { source, checkpointJson, settle, abandon, id } = entry;
  if (checkpointJson === undefined || !isAssigned(source)) return undefined;
  // From here on the checkpoint is on its way alone, and the submitter of the event cannot withdraw it.
  entry.isAttempted = true;
  return {
    ...untried,
    kind: "move",
    source,
    checkpointJson,
    id,
    // A sensor that lost its assignment must learn of it. Whether the checkpoint could be stored changes nothing else.
    settle: ({ kind }) => settle(kind === "fenced" ? { kind } : { kind: "refused", reason }),
    abandon,
  };
}

/** Events as findEvents and findForeignIds look for them: what of the stored row tells it from another's. */
export function soughtText(entries: readonly EventEntry[], installationId: string): string {
  const texts = entries.map((entry) => {
    const { event, payloadJson, source } = entry;
    const id = idOf(entry);
    return (
      `{"i":${id},"m":"${messageId(installationId, "event", id)}","t":${JSON.stringify(event.triggerRef)}` +
      `,"s":${JSON.stringify(source?.sensorRef ?? null)},"p":${payloadJson},"k":${JSON.stringify(event.dedupKey)}}`
    );
  });
  return `[${texts.join(",")}]`;
}
