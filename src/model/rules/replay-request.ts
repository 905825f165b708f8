/** What a replay of stored events is asked for, and what becomes of each event; see rules/replay.ts. */
import type { Id } from "../identifiers.ts";

export interface ReplayRequest {
  readonly events:
    | { readonly kind: "ids"; readonly ids: readonly Id[] }
    | {
        readonly kind: "range";
        /** By the time of storing; inclusive. */
        readonly since: Date;
        /** Exclusive. What is stored later than now is not replayed in any case. */
        readonly until: Date;
        /** Null: any trigger. */
        readonly triggerRef: string | null;
      };
  /** Only this one, by ref or id; null: all rules. */
  readonly rule: string | null;
  /** Only say what would be stored. */
  readonly isDry: boolean;
  /** Store each event anew, whatever enforcements it has. */
  readonly isForced: boolean;
  /** Events per second for which something is stored. */
  readonly rateMax: number;
}

/** What is wrong with a request. */
export interface ReplayProblem {
  /** `rule` or `trigger_ref`. */
  readonly parameter: string;
  /** A clause that follows the parameter. */
  readonly problem: string;
}

export type ReplayStep = { readonly eventId: Id } & (
  | {
      readonly kind: "stored";
      /** Of the copy; null: the enforcements are the event's own. */
      readonly copyId: Id | null;
      readonly enforcements: readonly { readonly id: Id; readonly ruleRef: string }[];
    }
  /** A dry run found what would be stored. */
  | { readonly kind: "missing"; readonly ruleRefs: readonly string[] }
  /** No rule asked for matches it without having its enforcement. */
  | { readonly kind: "complete" }
  | { readonly kind: "skipped"; readonly reason: string }
);
