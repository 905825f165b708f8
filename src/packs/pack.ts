import type { JsonObject } from "../model/json/json.ts";
import type { Kind } from "../model/definition-schemas.ts";
import type { Place } from "../model/placed-problem.ts";
import type { PackProblem } from "./pack-problem.ts";

/** A pack whose files are all valid; its references are not yet checked. */
export interface Pack {
  readonly directory: string;
  readonly ref: string;
  /** The columns of its row. */
  readonly row: JsonObject;
  /** In loading order. */
  readonly definitions: readonly Definition[];
  /** A problem with one of the pack's own fields, at that field's place. */
  readonly problemAt: (place: Place, reason: string) => PackProblem;
}

export interface Definition {
  readonly kind: Kind;
  /** Begins with the pack's ref. */
  readonly ref: string;
  /** The columns of its row, and for a sensor `further_triggers`. */
  readonly row: JsonObject;
  /** As in the file; null for kinds that cannot be disabled. */
  readonly enabled: boolean | null;
  readonly references: readonly Reference[];
  /** A problem with one of its fields, at that field's place. */
  readonly problemAt: (place: Place, reason: string) => PackProblem;
}

/** A reference from one definition to another. */
export interface Reference {
  readonly kind: Kind;
  readonly ref: string;
  /** The problem to report if the target does not exist. */
  readonly ifMissing: PackProblem;
}
