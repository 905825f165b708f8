/**
 * The agent's stream: a tick a second with the numbers of all agents. The page closes the stream while its tab is hidden; when
 * the tab is shown again, the stream continues with a snapshot of what the page missed.
 */
import { signal } from "@preact/signals";
import { readAnswer } from "./answer.ts";
import { apiUrl, renewSession } from "./api-client.ts";
import type { Fleet, LiveEvent, Snapshot, Tick } from "./types.ts";

export type Connection = "connecting" | "live" | "paused";

export interface Moment {
  readonly atMs: number;
  readonly events: number;
  readonly enforcements: number;
}

export const connection = signal<Connection>("connecting");
export const tick = signal<Tick | undefined>(undefined);
export const fleet = signal<Fleet | null>(null);
/** The last five minutes, the oldest first. */
export const moments = signal<readonly Moment[]>([]);
/** Grows whenever something changed that lists show. */
export const changes = signal(0);

const momentsMax = 300;
const sparkMax = 60;
const sparks: Readonly<Record<Source, Map<string, number[]>>> = { sensor: new Map(), rule: new Map() };
const listeners = new Set<(entries: readonly LiveEvent[], tick: Tick) => void>();

export type Source = "sensor" | "rule";

/** Events of a sensor or matches of a rule a second, now. */
export function rateOf(kind: Source, ref: string): number {
  return tick.value?.[`${kind}s` as const][ref] ?? 0;
}

/** The same in the last minute, the oldest first. */
export function sparkOf(kind: Source, ref: string): readonly number[] {
  return sparks[kind].get(ref) ?? [];
}

export function onEvents(listener: (entries: readonly LiveEvent[], tick: Tick) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** @returns ends it */
export function follow(): () => void {
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  const close = (): void => {
    clearTimeout(retry);
    source?.close();
    source = undefined;
  };
  const open = (): void => {
    close();
    connection.value = "connecting";
    const opened = new EventSource(apiUrl("stream"));
    source = opened;
    opened.addEventListener("snapshot", ({ data }) => {
      showSnapshot(readAnswer<Snapshot>(data));
      connection.value = "live";
      // Something may have changed before the connection.
      changes.value += 1;
    });
    opened.addEventListener("tick", ({ data }) => {
      showTick(readAnswer<Tick>(data));
      connection.value = "live";
    });
    opened.addEventListener("error", () => {
      connection.value = "connecting";
      if (opened.readyState !== EventSource.CLOSED) return;
      // Refused: the session may have ended, or the agent is starting.
      retry = setTimeout(() => void renewSession().then(open, open), 1_500);
    });
  };
  const onVisibility = (): void => {
    if (!document.hidden) open();
    else {
      close();
      connection.value = "paused";
    }
  };
  document.addEventListener("visibilitychange", onVisibility);
  onVisibility();
  return () => {
    document.removeEventListener("visibilitychange", onVisibility);
    close();
  };
}

function showSnapshot({ at, events, enforcements, fleet: facts }: Snapshot): void {
  const endMs = Date.parse(at);
  moments.value = events.map((count, index) => ({
    atMs: endMs - (events.length - 1 - index) * 1_000,
    events: count,
    enforcements: enforcements[index] ?? 0,
  }));
  if (facts !== null) fleet.value = facts;
}

function showTick(next: Tick): void {
  const atMs = Date.parse(next.at);
  moments.value = [
    ...moments.value.slice(-momentsMax + 1),
    { atMs, events: next.events, enforcements: next.enforcements },
  ];
  addTo(sparks.sensor, next.sensors);
  addTo(sparks.rule, next.rules);
  if (next.fleet !== null) fleet.value = next.fleet;
  tick.value = next;
  if (next.changed.length > 0) changes.value += 1;
  for (const listener of listeners) listener(next.entries, next);
}

function addTo(known: Map<string, number[]>, rates: Readonly<Record<string, number>>): void {
  for (const ref of Object.keys(rates)) if (!known.has(ref)) known.set(ref, []);
  for (const [ref, values] of known) {
    values.push(rates[ref] ?? 0);
    if (values.length > sparkMax) values.shift();
    if (values.every((value) => value === 0)) known.delete(ref);
  }
}
