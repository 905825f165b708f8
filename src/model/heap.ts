/** A binary heap: the best item is on top. */
export class Heap<Item> {
  readonly #items: Item[];
  readonly #isBetter: (one: Item, other: Item) => boolean;

  constructor(items: readonly Item[], isBetter: (one: Item, other: Item) => boolean) {
    this.#items = [...items];
    this.#isBetter = isBetter;
    for (let index = (this.#items.length >> 1) - 1; index >= 0; index -= 1) this.#sink(index);
  }

  /** Undefined if the heap is empty. */
  top(): Item | undefined {
    return this.#items[0];
  }

  /** Does nothing if the heap is empty. */
  replaceTop(item: Item): void {
    if (this.#items.length === 0) return;
    this.#items[0] = item;
    this.#sink(0);
  }

  removeTop(): void {
    const last = this.#items.pop();
    if (last !== undefined) this.replaceTop(last);
  }

  #sink(from: number): void {
    const items = this.#items;
    const item = items[from];
    if (item === undefined) return;
    let index = from;
    for (;;) {
      const left = 2 * index + 1;
      const right = items[left + 1];
      let child = items[left];
      let childIndex = left;
      if (child === undefined) break;
      if (right !== undefined && this.#isBetter(right, child)) [child, childIndex] = [right, left + 1];
      if (!this.#isBetter(child, item)) break;
      items[index] = child;
      index = childIndex;
    }
    items[index] = item;
  }
}
