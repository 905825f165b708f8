import { closest, distance } from "fastest-levenshtein";

/** The known name that somebody who wrote `name` probably meant; undefined when none is near enough. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const nearest = closest(name, known);
  // A third of the letters wrong is a misspelling; more is another word.
  return distance(name, nearest) <= Math.max(1, Math.floor(name.length / 3)) ? nearest : undefined;
}
