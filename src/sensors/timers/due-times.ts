/**
 * Things by the time when they are due: a binary heap in which each thing knows its place. So a thing that is put in again
 * moves, and nothing is allocated, however often timers fire.
 */
export interface DueThing {
  /** Owned by DueTimes: its place in the heap, -1 outside it. */
  dueIndex: number;
  /** Owned by DueTimes: when it is due. */
  dueMs: number;
}

export class DueTimes<Thing extends DueThing> {
  readonly #heap: Thing[] = [];

  /** @param atMs Infinity: never */
  put(thing: Thing, atMs: number): void {
    if (atMs === Number.POSITIVE_INFINITY) {
      this.remove(thing);
      return;
    }
    thing.dueMs = atMs;
    if (thing.dueIndex === -1) {
      thing.dueIndex = this.#heap.length;
      this.#heap.push(thing);
    }
    this.#settle(thing);
  }

  remove(thing: Thing): void {
    const { dueIndex } = thing;
    if (dueIndex === -1) return;
    thing.dueIndex = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === thing) return;
    this.#place(last, dueIndex);
    this.#settle(last);
  }

  /** The earliest time; Infinity if there is none. */
  nextMs(): number {
    return this.#heap[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  /** Takes out the earliest thing that is due by that time. */
  take(byMs: number): Thing | undefined {
    const [first] = this.#heap;
    if (first === undefined || first.dueMs > byMs) return undefined;
    this.remove(first);
    return first;
  }

  /** Moves a thing to where its time belongs. */
  #settle(thing: Thing): void {
    const heap = this.#heap;
    let index = thing.dueIndex;
    while (index > 0) {
      const parent = heap[(index - 1) >> 1];
      if (parent === undefined || parent.dueMs <= thing.dueMs) break;
      const { dueIndex } = parent;
      this.#place(parent, index);
      index = dueIndex;
    }
    for (;;) {
      const left = heap[2 * index + 1];
      const right = heap[2 * index + 2];
      const least = left !== undefined && right !== undefined && right.dueMs < left.dueMs ? right : left;
      if (least === undefined || least.dueMs >= thing.dueMs) break;
      const { dueIndex } = least;
      this.#place(least, index);
      index = dueIndex;
    }
    this.#place(thing, index);
  }

  #place(thing: Thing, index: number): void {
    this.#heap[index] = thing;
    thing.dueIndex = index;
  }
}
