/** When nothing ran a sensor that should run, and which worker went on, in words. */
import { durationText } from "../format.ts";
import { overviewPaths } from "../early.ts";
import { useList } from "../list.ts";
import { hrefOf } from "../route.ts";
import type { Gap } from "../types.ts";
import { Empty, type Mood } from "./basics.tsx";
import { ListCard } from "./list-card.tsx";
import { Time } from "./time.tsx";

/** @param sensorRef undefined: of all sensors */
export function GapsCard({ sensorRef }: { sensorRef?: string }) {
  const of = sensorRef === undefined ? "" : `&sensor_ref=${encodeURIComponent(sensorRef)}`;
  const gaps = useList<Gap>(overviewPaths.gaps + of, { isLive: true, everyMs: 5_000 });
  return (
    <ListCard
      title="Failovers and gaps"
      items={gaps.items}
      error={gaps.error}
      pages={gaps}
      empty={
        <Empty title="No failover and no gap">
          Here it says when a sensor moved to another worker, and for how long nothing ran it.
        </Empty>
      }
    >
      <div role="list">
        {gaps.items?.map((gap) => (
          <div key={String(gap.id)} role="listitem" class={`notice ${moodOf(gap)}`}>
            <p>
              <Sentence gap={gap} />
            </p>
            {gap.detail !== null && <p class="muted">{gap.detail}</p>}
            {sensorRef === undefined && (
              <a href={hrefOf("sensors", gap.sensor_ref)}>
                Look<span class="hidden"> at {gap.sensor_ref}</span>
              </a>
            )}
          </div>
        ))}
      </div>
    </ListCard>
  );
}

function moodOf({ open, cause }: Gap): Mood {
  if (open) return "bad";
  return cause === "lost" ? "warn" : "plain";
}

function Sentence({ gap }: { gap: Gap }) {
  const { sensor_ref: ref, cause, from_worker: from, to_worker: to } = gap;
  const sensor = <strong>{ref}</strong>;
  if (cause === "unplaced") {
    return (
      <>
        No worker could run {sensor} from <Time at={gap.began_at} /> on; {afterUnplaced(gap)}
      </>
    );
  }
  const former = from ?? "a worker that is gone";
  if (cause === "ended") {
    return (
      <>
        The process of {sensor} exited on its own on {former} at <Time at={gap.began_at} />; {afterEnd(gap)}
      </>
    );
  }
  if (to === null) {
    return (
      <>
        {former} released {sensor} at <Time at={gap.began_at} />; {whileOpen(gap)}
      </>
    );
  }
  const at = <Time at={gap.ended_at} />;
  if (to === from) {
    return cause === "lost" ? (
      <>
        {to} was lost, came back, and went on with {sensor} at {at}; {lengthText(gap)}
      </>
    ) : (
      <>
        {to} released {sensor} and took it again at {at}; {lengthText(gap)}
      </>
    );
  }
  return (
    <>
      {sensor} moved from {former} to {to} at {at}
      {cause === "lost" ? `, because ${former} was lost` : ""}; {lengthText(gap)}
    </>
  );
}

function lengthText({ seconds, cause }: Gap): string {
  if (seconds === null) return "nobody knows for how long nothing ran it";
  return `nobody ran it for ${cause === "lost" ? "up to " : ""}${durationText(seconds)}`;
}

function whileOpen({ open, seconds }: Gap): string {
  if (!open) return "it has not been needed since";
  return `nobody has run it since${seconds === null ? "" : `, for ${durationText(seconds)}`}`;
}

function afterUnplaced(gap: Gap): string {
  if (gap.ended_at === null) return whileOpen(gap);
  const length = durationText(gap.seconds ?? 0);
  return gap.to_worker === null
    ? `it was no longer needed ${length} later`
    : `${gap.to_worker} took it ${length} later`;
}

function afterEnd(gap: Gap): string {
  if (gap.ended_at === null) return whileOpen(gap);
  const length = durationText(gap.seconds ?? 0);
  return gap.to_worker === null ? `it was stopped ${length} later` : `it ran again ${length} later`;
}
