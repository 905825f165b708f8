/** Resolves references between definitions, in the packs loaded together and in the database. */
import { nearestName } from "../model/texts/nearest-name.ts";
import type { Kind } from "./definition-schemas.ts";
import type { Pack, Reference } from "./pack.ts";
import type { PackProblem } from "./pack-problem.ts";

export interface Named {
  readonly kind: Kind;
  readonly ref: string;
}

export interface UnresolvedReference {
  readonly reference: Reference;
  /** Suggests the name that was probably meant. */
  readonly problem: PackProblem;
}

/** References to definitions that are neither in these packs nor in `existing`. */
export function unresolvedReferences(
  packs: readonly Pack[],
  existing: readonly Named[],
): readonly UnresolvedReference[] {
  const definitions = packs.flatMap((pack) => pack.definitions);
  const known = new Map<string, Named>([...existing, ...definitions].map((each) => [keyOf(each), each]));
  return definitions
    .flatMap(({ references }) => references)
    .filter((reference) => !known.has(keyOf(reference)))
    .map((reference) => {
      const nearest = nearestRef(reference, known.values());
      const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
      const { ifMissing } = reference;
      return { reference, problem: { ...ifMissing, reason: `${ifMissing.reason}${hint}` } };
    });
}

/** Compares only the last parts of refs with the same prefix, because a shared prefix alone makes refs similar. */
function nearestRef({ kind, ref }: Named, known: Iterable<Named>): string | undefined {
  const prefix = ref.slice(0, ref.lastIndexOf(".") + 1);
  const names = [...known]
    .filter((each) => each.kind === kind && each.ref.startsWith(prefix))
    .map((each) => each.ref.slice(prefix.length));
  const nearest = nearestName(ref.slice(prefix.length), names);
  return nearest === undefined ? undefined : `${prefix}${nearest}`;
}

function keyOf({ kind, ref }: Named): string {
  return `${kind} ${ref}`;
}
