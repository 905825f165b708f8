/** Instants, shown as times of day or as ages. */
import { signal } from "@preact/signals";
import { durationText, fullText, localText, utcText } from "../format.ts";

/** One clock for all ages that are shown; it stops while the tab is hidden. */
const now = signal(new Date());
setInterval(() => {
  if (!document.hidden) now.value = new Date();
}, 1_000);

/** In the viewer's zone, with UTC beside it or, where there is no room, in its title. */
export function Time({ at, withUtc = false }: { at: string | null | undefined; withUtc?: boolean }) {
  if (at === null || at === undefined) return <span class="muted">never</span>;
  const instant = new Date(at);
  return (
    <time dateTime={at} title={`${fullText(instant)} · ${utcText(instant)}`} class="nowrap">
      {withUtc ? fullText(instant) : localText(instant, new Date())}
      {withUtc && <span class="muted small"> · {utcText(instant)}</span>}
    </time>
  );
}

export function Age({ at, suffix = " ago" }: { at: string | null | undefined; suffix?: string }) {
  if (at === null || at === undefined) return <span class="muted">–</span>;
  const instant = new Date(at);
  const seconds = (now.value.getTime() - instant.getTime()) / 1_000;
  const text =
    seconds < 0 ? `in ${durationText(-seconds)}` : seconds < 1 ? "now" : `${durationText(seconds)}${suffix}`;
  return (
    <time dateTime={at} title={`${fullText(instant)} · ${utcText(instant)}`} class="nowrap">
      {text}
    </time>
  );
}
