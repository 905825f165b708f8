/** Counts what happened, by sensor and by rule, for the summary at the end of a quickstart. */
import type { ActivityEntry } from "../../src/telemetry/activity.ts";
import { statusPaint } from "../../src/agent/watch/feed-line.ts";
import { painted, type FeedStyle } from "../../src/agent/watch/feed-style.ts";

export interface Tally {
  readonly statuses: Map<string, string>;
  readonly eventsBySensor: Map<string, number>;
  readonly enforcementsByRule: Map<string, number>;
}

export function emptyTally(): Tally {
  return { statuses: new Map(), eventsBySensor: new Map(), enforcementsByRule: new Map() };
}

export function addTo(tally: Tally, entry: ActivityEntry): void {
  switch (entry.kind) {
    case "sensor":
      tally.statuses.set(entry.sensorRef, entry.status);
      return;
    case "event":
      increment(tally.eventsBySensor, entry.sensorRef ?? "the platform");
      return;
    case "enforcement":
      increment(tally.enforcementsByRule, entry.ruleRef);
  }
}

export function summaryLines(tally: Tally, seconds: number, style: FeedStyle): string[] {
  const sources = new Set([...tally.statuses.keys(), ...tally.eventsBySensor.keys()]);
  const sensorRows = [...sources]
    .toSorted()
    .map((ref) => [ref, String(tally.eventsBySensor.get(ref) ?? 0)] as const);
  const ruleRows = [...tally.enforcementsByRule.keys()]
    .toSorted()
    .map((ref) => [ref, String(tally.enforcementsByRule.get(ref))] as const);
  const width = Math.max(6, ...[...sensorRows, ...ruleRows].map(([ref]) => ref.length));

  return [
    painted("strong", `${"sensor".padEnd(width)}  ${"events".padStart(8)}  status`, style),
    ...sensorRows.map(([ref, count]) => {
      const status = tally.statuses.get(ref);
      const last = status === undefined ? "" : painted(statusPaint(status), status, style);
      return `${ref.padEnd(width)}  ${count.padStart(8)}  ${last}`.trimEnd();
    }),
    "",
    painted("strong", `${"rule".padEnd(width)}  ${"matches".padStart(8)}`, style),
    ...ruleRows.map(([ref, count]) => `${ref.padEnd(width)}  ${count.padStart(8)}`),
    "",
    `${total(tally.eventsBySensor)} events, ${total(tally.enforcementsByRule)} enforcements in ${seconds.toFixed(0)} s`,
  ];
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function total(counts: ReadonlyMap<string, number>): number {
  return counts.values().reduce((sum, count) => sum + count, 0);
}
