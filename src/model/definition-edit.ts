/** What became of a request to make, change or remove a definition. */

export const definitionKinds = ["pack", "runtime", "trigger", "action", "sensor", "rule"] as const;

export type DefinitionKind = (typeof definitionKinds)[number];

export interface FieldProblem {
  /** The field as it was written, such as `conditions.0.operator`; null for the whole. */
  readonly field: string | null;
  readonly reason: string;
}

export type DefinitionEdit<Result> =
  /** Also if nothing differed and nothing was written. */
  | { readonly kind: "done"; readonly result: Result }
  | { readonly kind: "missing" }
  /** It is not in the version that the caller knows. */
  | { readonly kind: "outdated" }
  | { readonly kind: "invalid"; readonly problems: readonly FieldProblem[] }
  /** There is one with this ref. */
  | { readonly kind: "taken"; readonly ref: string }
  /** These refer to it; there may be more. */
  | {
      readonly kind: "in-use";
      readonly ref: string;
      readonly referrers: readonly { readonly kind: DefinitionKind; readonly ref: string }[];
    }
  /** It is in no state for this. */
  | { readonly kind: "refused"; readonly reason: string };

/** Whether the caller expects this version of the definition. */
export type IsExpected = (rowVersion: string) => boolean;
