/** Schedules that can be evaluated, and that nobody can want. */
import type { PlacedProblem } from "../placed-problem.ts";
import type { Schedule } from "./schedule.ts";

/** Those that can leave no slots, the likeliest first. */
const limitingParams = ["exclude", "end_at", "start_at", "fire_at", "rule"];
/** Slots that may fire after an outage: a fire every ten seconds of a day, rounded up. */
const catchUpSlotsMax = 10_000;
/** Slots whose distances are compared with the delay: enough for every minute and hour of a day. */
const distancesMax = 100;

export function absurdities(plan: Plan, params: Params): readonly PlacedProblem[] {
  const first = plan.schedule.next(-1)?.scheduledMs;
  if (first === undefined) {
    const place = limitingParams.find((name) => params.has(name)) ?? "start_at";
    return [{ place: [place], reason: "leaves no time at which it could fire" }];
  }
  return [...catchUpProblems(plan, first), ...delayProblems(plan, first, params)];
}

interface Plan {
  readonly schedule: Schedule;
  readonly catchUp: { readonly mode: string; readonly windowSeconds: number };
}

interface Params {
  has(name: string): boolean;
  number(name: string, bounds: { readonly min: number; readonly max: number }): number | undefined;
}

function catchUpProblems({ schedule, catchUp }: Plan, firstMs: number): PlacedProblem[] {
  if (catchUp.mode !== "all") return [];
  const endMs = firstMs + catchUp.windowSeconds * 1_000;
  let count = 0;
  for (let ms: number | undefined = firstMs; ms !== undefined && ms <= endMs; count += 1) {
    if (count === catchUpSlotsMax) {
      const reason = `would fire more than ${catchUpSlotsMax} times after an outage; shorten the window (${catchUp.windowSeconds} s) or use last`;
      return [{ place: ["catch_up"], reason }];
    }
    ms = schedule.next(ms)?.scheduledMs;
  }
  return [];
}

/** Fires must not overtake each other. */
function delayProblems({ schedule }: Plan, firstMs: number, params: Params): PlacedProblem[] {
  const bounds = { min: 0, max: Number.MAX_VALUE };
  const delayMs = 1_000 * ((params.number("jitter", bounds) ?? 0) + (params.number("spread", bounds) ?? 0));
  if (delayMs === 0) return [];
  let leastMs = Number.POSITIVE_INFINITY;
  let lastMs = firstMs;
  for (let count = 0; count < distancesMax; count += 1) {
    const nextMs = schedule.next(lastMs)?.scheduledMs;
    if (nextMs === undefined) break;
    leastMs = Math.min(leastMs, nextMs - lastMs);
    lastMs = nextMs;
  }
  if (delayMs <= leastMs) return [];
  const place = params.has("jitter") ? "jitter" : "spread";
  const together = params.has("jitter") && params.has("spread") ? " together with spread" : "";
  const reason = `must be at most ${leastMs / 1_000} s${together}, the shortest time between two fires, not ${delayMs / 1_000} s`;
  return [{ place: [place], reason }];
}
