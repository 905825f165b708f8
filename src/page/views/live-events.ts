/** The events that are stored while a view is open. */
import { useEffect, useState } from "preact/hooks";
import { onEvents } from "../live.ts";
import { liveShown, type Shown } from "./event-table.tsx";
import type { LiveEvent } from "../types.ts";

interface LiveEvents {
  /** The newest first. */
  readonly live: readonly Shown[];
  /** How many events were stored since the pause began. */
  readonly missed: number;
  /** In the last second. */
  readonly last: { readonly stored: number; readonly leftOut: number };
}

const shownMax = 200;

/** "" for a ref matches every event. */
export function useLiveEvents({
  triggerRef,
  sourceRef,
  isPaused,
}: {
  triggerRef: string;
  sourceRef: string;
  isPaused: boolean;
}): LiveEvents {
  const [live, setLive] = useState<readonly Shown[]>([]);
  const [missed, setMissed] = useState(0);
  const [last, setLast] = useState({ stored: 0, leftOut: 0 });
  useEffect(() => setLive([]), [triggerRef, sourceRef]);
  useEffect(() => {
    setMissed(0);
    return onEvents((entries, { events, triggers, sensors }) => {
      const matching = entries.filter((entry) => isMatch(entry, triggerRef, sourceRef));
      // The stream carries a sample of the events, and counts of all by trigger and by sensor.
      const all = [
        events,
        ...(triggerRef === "" ? [] : [triggers[triggerRef] ?? 0]),
        ...(sourceRef === "" ? [] : [sensors[sourceRef] ?? 0]),
      ];
      const stored = Math.max(Math.min(...all), matching.length);
      setLast({ stored, leftOut: stored - matching.length });
      if (!isPaused) {
        if (matching.length > 0)
          setLive((before) => [...matching.map(liveShown).toReversed(), ...before].slice(0, shownMax));
        return;
      }
      setMissed((before) => before + stored);
    });
  }, [triggerRef, sourceRef, isPaused]);
  return { live, missed, last };
}

function isMatch(entry: LiveEvent, trigger: string, source: string): boolean {
  return (trigger === "" || entry.trigger_ref === trigger) && (source === "" || entry.sensor_ref === source);
}
