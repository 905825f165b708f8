/** The result of a back-test as the API answers it. */
import { idNumber } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";
import type { BacktestResult } from "../../model/rules/backtest.ts";

export function resultJson(result: BacktestResult): JsonObject {
  const { counts, bucketSeconds, buckets, caughtIds, missedIds, changedParameters, hitParameters } = result;
  return {
    counts: { ...counts },
    bucket_seconds: bucketSeconds,
    buckets: buckets.map(({ startMs, events, hits, liveHits }) => ({
      start: new Date(startMs).toISOString(),
      events,
      hits,
      live_hits: liveHits,
    })),
    caught: caughtIds.map(idNumber),
    missed: missedIds.map(idNumber),
    changed: changedParameters.map(({ eventId, draft, live }) => ({ event: idNumber(eventId), draft, live })),
    hits: hitParameters.map(({ eventId, parameters }) => ({ event: idNumber(eventId), parameters })),
  };
}
