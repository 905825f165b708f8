/** Why a slot of a timer was skipped, in words. */
import type { SkipReason } from "./slot-decision.ts";

export const skipReasonText: Readonly<Record<SkipReason, string>> = {
  down: "no agent ran the timers",
  clock: "the clock was set forward",
  overlap: "earlier events still waited to be stored",
  paused: "the rule was disabled or paused",
  window: "too late for the window of catch_up",
  refused: "the database or a disabled trigger refused the event",
};

export function isSkipReason(text: string): text is SkipReason {
  return Object.hasOwn(skipReasonText, text);
}
