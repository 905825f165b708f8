import type { JsonObject } from "../model/json/json.ts";
import type { Kind } from "./definition-schemas.ts";
import type { PackProblem } from "./pack-problem.ts";

/** A pack whose files are all as they should be; what its references point to is not yet looked at. */
export interface Pack {
  readonly directory: string;
  readonly ref: string;
  /** The columns of its row. */
  readonly row: JsonObject;
  /** In the order in which they are loaded. */
  readonly definitions: readonly Definition[];
}

export interface Definition {
  readonly kind: Kind;
  /** With the pack's ref in front. */
  readonly ref: string;
  /** The columns of its row, and for a sensor `further_triggers`. */
  readonly row: JsonObject;
  /** As the file says; null for what cannot be disabled. */
  readonly enabled: boolean | null;
  readonly references: readonly Reference[];
  /** The problem that this is, where another file defines the same. */
  readonly ifRepeated: PackProblem;
}

/** A definition's mention of another one. */
export interface Reference {
  readonly kind: Kind;
  readonly ref: string;
  /** The problem that this is, where nothing of that name exists. */
  readonly ifMissing: PackProblem;
}
