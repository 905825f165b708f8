/** Resolves references between definitions. */
import { nearestName } from "../model/texts/nearest-name.ts";
import type { Kind } from "../model/definition-schemas.ts";
import type { Definition, Reference } from "./pack.ts";
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

/** References to definitions that do not exist. */
export function unresolvedReferences(
  definitions: readonly Pick<Definition, "references">[],
  existing: readonly Named[],
): readonly UnresolvedReference[] {
  const known = new Map<string, Named>(existing.map((each) => [keyOf(each), each]));
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
