import { closest, distance } from "fastest-levenshtein";

/** The known name that the author of `name` probably meant; undefined if none is close enough. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  // Swapped letters are two edits, which is too much in a short name.
  const swapped = known.find((each) => each.length === name.length && lettersOf(each) === lettersOf(name));
  if (swapped !== undefined) return swapped;
  const nearest = closest(name, known);
  // Up to a third of the letters wrong is a misspelling; more is another word.
  return distance(name, nearest) <= Math.max(1, Math.floor(name.length / 3)) ? nearest : undefined;
}

/** Likewise of a ref. The pack's part is long, and would make different names in a pack look alike. */
export function nearestRef(ref: string, known: readonly string[]): string | undefined {
  const pack = ref.slice(0, ref.lastIndexOf(".") + 1);
  const [own = [], others = []] = [true, false].map((isOwn) =>
    known.filter((each) => each.startsWith(pack) === isOwn),
  );
  const name = nearestName(
    ref.slice(pack.length),
    own.map((each) => each.slice(pack.length)),
  );
  return name === undefined ? nearestName(ref, others) : pack + name;
}

/** Likewise of a field; also if it is written in another case or with other separators, like `userId` for `user_id`. */
export function nearestField(name: string, known: readonly string[]): string | undefined {
  const plain = foldedName(name);
  return known.find((each) => foldedName(each) === plain) ?? nearestName(name, known);
}

function foldedName(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, "");
}

function lettersOf(name: string): string {
  return Array.from(name).toSorted().join("");
}
