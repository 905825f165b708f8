/**
 * V8 sizes its heap by the machine's memory and lets a 25 MB service grow to 100 MB before it collects. On a
 * worker that shares its machine with sensors, memory is worth more than the collections cost. While the code is
 * loaded they would only cost time (20 ms of 165), so the flags are set afterwards, but before the rules are read: reading
 * 100,000 would let the heap grow 30 MB further. The flags that V8 needs from the beginning are in
 * build/packing/heap-flags.ts.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { limitYoungGeneration } from "./young-generation.ts";

/** An agent with few rules has less, also one that runs from its sources, and would only start later. */
const worthReturningBytes = 96 * 1024 * 1024;

/**
 * From now on the heap grows by 60% of its live size between collections, and new objects are made in the young generation
 * only. Where V8 finds that objects live long, it would make later ones in the old generation, with all that they refer to;
 * and with the state of a timer the event of its fire, which is over in milliseconds
 * (docs/decisions/0020-small-young-generation.md).
 */
export function keepHeapSmall(): void {
  setFlagsFromString("--heap-growing-percent=60");
  setFlagsFromString("--no-allocation-site-pretenuring");
  limitYoungGeneration("small");
}

/**
 * Gives back what reading many rules has left. V8 would keep it until the heap has grown by the percentage above, which may be
 * hours later: after 100,000 rules, 225 to 273 MiB were resident, and are 202 with this. V8 stops everything else for about 3 ms
 * for each MiB in use, so it is for the start, when no event waits yet.
 */
export async function returnUnusedHeap(): Promise<void> {
  if (getHeapStatistics().total_heap_size < worthReturningBytes) return;
  // Only here: loading it costs each start a few milliseconds.
  const { Session } = await import("node:inspector/promises");
  const session = new Session();
  session.connect();
  await session.post("HeapProfiler.collectGarbage");
  session.disconnect();
}
