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
  useEffect(() => setLive([]), [triggerRef, sourceRef]);
  useEffect(() => {
    setMissed(0);
    return onEvents((entries, { events, triggers }) => {
      const matching = entries.filter((entry) => isMatch(entry, triggerRef, sourceRef));
      if (!isPaused) {
        if (matching.length > 0)
          setLive((before) => [...matching.map(liveShown).toReversed(), ...before].slice(0, shownMax));
        return;
      }
      // The stream carries a sample of the events, and counts of all by trigger.
      const counted = triggerRef === "" ? events : (triggers[triggerRef] ?? matching.length);
      setMissed((before) => before + (sourceRef === "" ? counted : matching.length));
    });
  }, [triggerRef, sourceRef, isPaused]);
  return { live, missed };
}

function isMatch(entry: LiveEvent, trigger: string, source: string): boolean {
  return (trigger === "" || entry.trigger_ref === trigger) && (source === "" || entry.sensor_ref === source);
}
