/**
 * V8 plans its heap by the machine's memory and lets a service of 25 MB grow to 100 before it collects. On
 * a worker that shares its machine with sensors memory is worth more than the collections. While the
 * service starts they would only cost time (20 ms of 165), so this is said once it has started; the
 * flags that V8 wants to know from the beginning are in build/packing/single-executable.ts.
 */
import { setFlagsFromString } from "node:v8";

/** From now on the heap grows by two fifths of what lives before it is collected. */
export function keepHeapSmall(): void {
  setFlagsFromString("--heap-growing-percent=40");
}
