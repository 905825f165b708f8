/** What a back-test is asked for, and what comes of it; see rules/backtest/backtests.ts. */
import type { JsonObject } from "../json/json.ts";
import type { RuleText } from "./compiled-rule.ts";

export interface BacktestRequest {
  /** Of a stored rule; null: the draft has none. */
  readonly ref: string | null;
  /** What the draft has in place of what the stored rule has. */
  readonly changes: Partial<Pick<RuleText, "triggerRef" | "conditions" | "triggerParams" | "actionParams">>;
  /** By the time of storing; `change`: events that were matched by the stored rule as it is now. */
  readonly since: Date | "change";
  /** Exclusive; undefined: now. */
  readonly until: Date | undefined;
  /** The live rule as it is, or the enforcements that it has. */
  readonly against: "live" | "stored";
}

export type BacktestOutcome =
  | { readonly kind: "invalid"; readonly parameter: string; readonly problem: string }
  | {
      readonly kind: "ready";
      /** Whether there is a stored rule to compare with. */
      readonly live: "enabled" | "disabled" | "none";
      readonly run: (signal: AbortSignal) => AsyncGenerator<BacktestStep, void, void>;
    };

export type BacktestStep =
  | { readonly kind: "progress"; readonly events: number; readonly createdMs: number }
  | { readonly kind: "failed"; readonly reason: string }
  /** As the API answers it. */
  | { readonly kind: "result"; readonly result: JsonObject };
