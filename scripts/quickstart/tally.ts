/** What has happened so far, by sensor and by rule: the summary at the end of a quickstart. */
import type { Activity } from "./activity.ts";
import { statePaints } from "./feed-line.ts";
import { painted, type FeedStyle } from "./feed-style.ts";

type SensorActivity = Extract<Activity, { kind: "sensor" }>;

export interface Tally {
  readonly sensorStates: Map<string, SensorActivity["state"]>;
  readonly eventsBySource: Map<string, number>;
  readonly enforcementsByRule: Map<string, number>;
  messages: number;
}

export function emptyTally(): Tally {
  return { sensorStates: new Map(), eventsBySource: new Map(), enforcementsByRule: new Map(), messages: 0 };
}

export function addTo(tally: Tally, activity: Activity): void {
  switch (activity.kind) {
    case "sensor":
      tally.sensorStates.set(activity.sensorRef, activity.state);
      return;
    case "event":
      increment(tally.eventsBySource, activity.sourceRef ?? "the platform");
      return;
    case "enforcement":
      increment(tally.enforcementsByRule, activity.ruleRef);
      return;
    case "message":
      tally.messages += 1;
  }
}

export function summaryLines(tally: Tally, seconds: number, style: FeedStyle): string[] {
  const sources = new Set([...tally.sensorStates.keys(), ...tally.eventsBySource.keys()]);
  const sensorRows = [...sources]
    .toSorted()
    .map((ref) => [ref, String(tally.eventsBySource.get(ref) ?? 0)] as const);
  const ruleRows = [...tally.enforcementsByRule.keys()]
    .toSorted()
    .map((ref) => [ref, String(tally.enforcementsByRule.get(ref))] as const);
  const width = Math.max(6, ...[...sensorRows, ...ruleRows].map(([ref]) => ref.length));

  return [
    painted("strong", `${"sensor".padEnd(width)}  ${"events".padStart(8)}  state`, style),
    ...sensorRows.map(([ref, count]) => {
      const state = tally.sensorStates.get(ref);
      const last = state === undefined ? "" : painted(statePaints[state], state, style);
      return `${ref.padEnd(width)}  ${count.padStart(8)}  ${last}`.trimEnd();
    }),
    "",
    painted("strong", `${"rule".padEnd(width)}  ${"matches".padStart(8)}`, style),
    ...ruleRows.map(([ref, count]) => `${ref.padEnd(width)}  ${count.padStart(8)}`),
    "",
    `${total(tally.eventsBySource)} events, ${total(tally.enforcementsByRule)} enforcements, ` +
      `${tally.messages} messages in ${seconds.toFixed(0)} s`,
  ];
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function total(counts: ReadonlyMap<string, number>): number {
  return counts.values().reduce((sum, count) => sum + count, 0);
}
