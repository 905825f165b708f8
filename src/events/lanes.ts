/**
 * Accepted entries that wait to be stored, in one lane per source. Each source keeps its order, and none waits for another.
 *
 * No timer forms batches: a batch takes what has collected since the last one, up to a number of rows and bytes.
 *
 *   takeTogether  takes from all lanes without trouble. Each lane first gets an equal share of the batch, in turn; what
 *                 some leave unused goes to the others. A lane thus waits for at most one batch before its own next one,
 *                 however much the others hold.
 *   takeAlone     takes from one lane in trouble (trouble.ts), in turn.
 *
 * A lane is in at most one batch at a time. Later entries wait until everything before them is stored or refused.
 */
import { sizeOf, type Entry } from "./entries.ts";
import { troubleAfter, type SourceEnd, type Trouble, type TroubleFacts } from "./trouble.ts";

interface Lane {
  /** The sensor's id; "" for the platform's own events. */
  readonly key: string;
  entries: Entry[];
  isInBatch: boolean;
  trouble: Trouble | undefined;
}

export interface LaneBounds {
  readonly rowsMax: number;
  /** Of payloads and checkpoints, counted in characters. One entry alone may be larger. */
  readonly bytesMax: number;
}

export interface BatchEnd {
  /** What is neither stored nor refused, in order. It comes first again. */
  readonly left: readonly Entry[];
  /** What was in the statement that failed, if one did. */
  readonly failed: readonly Entry[];
  /** What the database refused. */
  readonly refused: readonly Entry[];
  /** Why the statement failed; undefined if the database rejected something in it. */
  readonly error: unknown;
}

export interface TroubleChange {
  readonly sensorRef: string | null;
  readonly before: Trouble | undefined;
  readonly after: Trouble | undefined;
}

export type LaneTime = Omit<TroubleFacts, "rowsMax">;

export class Lanes {
  readonly #bounds: LaneBounds;
  readonly #lanes = new Map<string, Lane>();
  /** Those with entries that are in no batch, the longest waiting first. */
  readonly #turns = new Set<Lane>();
  #length = 0;

  constructor(bounds: LaneBounds) {
    this.#bounds = bounds;
  }

  /** Entries in no batch. */
  get length(): number {
    return this.#length;
  }

  add(entry: Entry): void {
    const lane = this.#laneOf(entry);
    lane.entries.push(entry);
    this.#length += 1;
    if (!lane.isInBatch) this.#turns.add(lane);
  }

  /** Takes back an entry that waits. False: it is in a batch, or was taken out of here. */
  remove(entry: Entry): boolean {
    const lane = this.#lanes.get(keyOf(entry));
    const index = lane?.entries.indexOf(entry) ?? -1;
    if (lane === undefined || index === -1) return false;
    lane.entries.splice(index, 1);
    this.#length -= 1;
    if (lane.entries.length > 0) return true;
    this.#turns.delete(lane);
    if (!lane.isInBatch && lane.trouble === undefined) this.#lanes.delete(lane.key);
    return true;
  }

  /** In the order in which they are to be stored; undefined if no lane without trouble has any. */
  takeTogether(): readonly Entry[] | undefined {
    const waiting = [...this.#turns].filter(({ trouble }) => trouble === undefined);
    if (waiting.length === 0) return undefined;
    const taken = new Map<Lane, number>();
    const room = { rows: this.#bounds.rowsMax, bytes: this.#bounds.bytesMax };
    const share = {
      rows: Math.max(Math.floor(room.rows / waiting.length), 1),
      bytes: room.bytes / waiting.length,
    };
    for (const lane of waiting) reserve(lane, taken, room, share);
    for (const lane of waiting) reserve(lane, taken, room, room);
    return [...taken].flatMap(([lane, count]) => this.#take(lane, count));
  }

  /** Undefined if no lane in trouble has any that may be tried now. */
  takeAlone(nowMs: number): readonly Entry[] | undefined {
    for (const lane of this.#turns) {
      if (lane.trouble === undefined || lane.trouble.notBeforeMs > nowMs) continue;
      const taken = new Map<Lane, number>();
      const room = { rows: lane.trouble.entriesMax, bytes: this.#bounds.bytesMax };
      reserve(lane, taken, room, room);
      return this.#take(lane, taken.get(lane) ?? 1);
    }
    return undefined;
  }

  /** When the next lane that rests may be tried, on the monotonic clock. */
  nextDueMs(): number | undefined {
    let dueMs: number | undefined;
    for (const { trouble } of this.#turns) {
      if (trouble !== undefined && trouble.notBeforeMs < (dueMs ?? Number.POSITIVE_INFINITY))
        dueMs = trouble.notBeforeMs;
    }
    return dueMs;
  }

  /** Ends a batch for all lanes that have entries in it. */
  finish(batch: readonly Entry[], end: BatchEnd, time: LaneTime): readonly TroubleChange[] {
    const byLane = (entries: readonly Entry[]): Map<Lane, readonly Entry[]> =>
      Map.groupBy(entries, (entry) => this.#laneOf(entry));
    const wanted = end.left.filter(({ isWithdrawn }) => !isWithdrawn);
    const [left, failed, refused] = [byLane(wanted), byLane(end.failed), byLane(end.refused)];
    const endFor = (lane: Lane): SourceEnd => {
      if (failed.has(lane))
        return failed.size > 1 ? { kind: "suspected" } : { kind: "failed", entries: end.failed.length };
      return { kind: refused.has(lane) ? "refused" : "stored" };
    };
    const changes: TroubleChange[] = [];
    for (const [lane, [first]] of byLane(batch)) {
      const before = lane.trouble;
      lane.trouble = troubleAfter(before, endFor(lane), { rowsMax: this.#bounds.rowsMax, ...time });
      const back = left.get(lane);
      if (back !== undefined) {
        lane.entries = [...back, ...lane.entries];
        this.#length += back.length;
      }
      lane.isInBatch = false;
      if (lane.entries.length > 0) this.#turns.add(lane);
      else if (lane.trouble === undefined) this.#lanes.delete(lane.key);
      if (before !== lane.trouble)
        changes.push({ sensorRef: first?.source?.sensorRef ?? null, before, after: lane.trouble });
    }
    return changes;
  }

  /** Everything that is in no batch. */
  takeAll(): readonly Entry[] {
    return [...this.#turns].flatMap((lane) => this.#take(lane, lane.entries.length));
  }

  #laneOf(entry: Entry): Lane {
    const key = keyOf(entry);
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = { key, entries: [], isInBatch: false, trouble: undefined };
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #take(lane: Lane, count: number): readonly Entry[] {
    this.#turns.delete(lane);
    this.#length -= count;
    lane.isInBatch = true;
    if (count < lane.entries.length) return lane.entries.splice(0, count);
    const all = lane.entries;
    lane.entries = [];
    return all;
  }
}

function keyOf({ source }: Entry): string {
  return source?.sensorId ?? "";
}

interface Room {
  rows: number;
  bytes: number;
}

/** Counts a lane's next entries into the batch, as many as its share and the batch's room allow; the first always. */
function reserve(lane: Lane, taken: Map<Lane, number>, room: Room, share: Readonly<Room>): void {
  const shareLeft = { ...share };
  let count = taken.get(lane) ?? 0;
  for (; count < lane.entries.length; count += 1) {
    const entry = lane.entries[count];
    if (entry === undefined || room.rows < 1 || shareLeft.rows < 1) break;
    const bytes = sizeOf(entry);
    const isFirstOfAll = taken.size === 0 && count === 0;
    if (!isFirstOfAll && bytes > room.bytes) break;
    if (count > 0 && bytes > shareLeft.bytes) break;
    for (const each of [room, shareLeft]) {
      each.rows -= 1;
      each.bytes -= bytes;
    }
  }
  if (count > 0) taken.set(lane, count);
}
