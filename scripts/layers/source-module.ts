/** A module of src and what it imports: the layer check's view of the code. */

export interface SourceModule {
  /** Relative to src, with forward slashes: `events/event-pipeline.ts`. */
  readonly path: string;
  readonly imports: readonly SourceImport[];
}

export type SourceImport =
  | { readonly kind: "module"; readonly line: number; readonly path: string }
  /** Resolves to a file outside src; the path is relative to the repository. */
  | { readonly kind: "outside"; readonly line: number; readonly path: string }
  /** The library's name without a path; builtins begin with `node:`. */
  | { readonly kind: "library"; readonly line: number; readonly name: string }
  /** A dynamic import of a computed, and so unknown, module. */
  | { readonly kind: "computed"; readonly line: number };
