/** Things by the time when they are due: a binary heap. A thing that is put in again replaces its earlier time. */
export interface DueThing {
  /** Owned by DueTimes: tells the entries of a thing that count from those that it has replaced. */
  dueVersion: number;
}

interface Entry<Thing> {
  readonly atMs: number;
  readonly thing: Thing;
  readonly version: number;
}

export class DueTimes<Thing extends DueThing> {
  readonly #heap: Entry<Thing>[] = [];

  /** @param atMs Infinity: never */
  put(thing: Thing, atMs: number): void {
    thing.dueVersion += 1;
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#heap.push({ atMs, thing, version: thing.dueVersion });
    this.#rise(this.#heap.length - 1);
  }

  remove(thing: Thing): void {
    thing.dueVersion += 1;
  }

  /** The earliest time; Infinity if there is none. */
  nextMs(): number {
    this.#dropReplaced();
    return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  /** Takes out the earliest thing that is due by that time. */
  take(byMs: number): Thing | undefined {
    if (this.nextMs() > byMs) return undefined;
    return this.#pop()?.thing;
  }

  #dropReplaced(): void {
    for (let top = this.#heap[0]; top !== undefined && top.version !== top.thing.dueVersion;) {
      this.#pop();
      top = this.#heap[0];
    }
  }

  #pop(): Entry<Thing> | undefined {
    const [top] = this.#heap;
    const last = this.#heap.pop();
    if (last !== undefined && last !== top) {
      this.#heap[0] = last;
      this.#sink();
    }
    return top;
  }

  #rise(from: number): void {
    const heap = this.#heap;
    let index = from;
    const entry = heap[index];
    if (entry === undefined) return;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || parent.atMs <= entry.atMs) break;
      heap[index] = parent;
      heap[parentIndex] = entry;
      index = parentIndex;
    }
  }

  #sink(): void {
    const heap = this.#heap;
    let index = 0;
    const [entry] = heap;
    if (entry === undefined) return;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      const least = (heap[right]?.atMs ?? Infinity) < (heap[left]?.atMs ?? Infinity) ? right : left;
      const child = heap[least];
      if (child === undefined || child.atMs >= entry.atMs) break;
      heap[index] = child;
      heap[least] = entry;
      index = least;
    }
  }
}
