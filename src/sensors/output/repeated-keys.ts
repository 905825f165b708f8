/**
 * Detects objects with a repeated key. Only the last value of such a key reaches the event.
 *
 * JSON.parse does not report it, and reading every line a second time would cost twice as much as parsing it. A program
 * that repeats a key does so in most of its output, so a sample is enough.
 */
import { repeatedKey } from "../../model/json/json-text.ts";
import { quickLengthMax } from "./decode-text.ts";
import { excerptOf, type Remark } from "./decoded-output.ts";

/** All of the first events are checked, then one in every so many. */
const firstEvents = 100;
const sampledOneIn = 100;

export class RepeatedKeys {
  #events = 0;

  /** @param text the next event, as it was printed */
  remarksOn(text: string): readonly Remark[] {
    const isSampled = this.#events < firstEvents || this.#events % sampledOneIn === 0;
    this.#events += 1;
    if (!isSampled || text.length > quickLengthMax) return [];
    const key = repeatedKey(text);
    if (key === undefined) return [];
    const shown = JSON.stringify(excerptOf(key));
    return [
      { topic: "keys", text: `it has the key ${shown} twice in one object, and only the last value is kept` },
    ];
  }
}
