/** Charts of numbers, each with a description in words. */
import { rateOf, sparkOf, type Moment, type Source } from "../live.ts";
import { localText, rateText } from "../format.ts";

const width = 600;
const height = 150;

export function RateChart({ moments }: { moments: readonly Moment[] }) {
  const last = moments.at(-1);
  const first = moments[0];
  const label =
    last === undefined
      ? "No events yet"
      : `Events and enforcements a second: ${rateText(last.events)} and ${rateText(last.enforcements)} now, at most ${rateText(Math.max(...moments.map((moment) => moment.events)))} events`;
  return (
    <LineChart
      label={label}
      unit="a second"
      first={{ name: "events", values: moments.map(({ events }) => events) }}
      second={{ name: "enforcements", values: moments.map(({ enforcements }) => enforcements) }}
      start={first === undefined ? "" : localText(new Date(first.atMs), new Date())}
      end="now"
    />
  );
}

interface Series {
  readonly name: string;
  /** The oldest first. */
  readonly values: readonly number[];
}

export function LineChart({
  label,
  unit,
  first,
  second,
  start,
  end,
}: {
  /** What it shows, in words. */
  label: string;
  unit: string;
  first: Series;
  second: Series;
  start: string;
  end: string;
}) {
  const top = niceTop(Math.max(...first.values, ...second.values, 1));
  const line = points(first.values, top);
  return (
    <figure>
      <div class="axis">
        <span>
          {rateText(top)} {unit}
        </span>
        <span class="row">
          <span class="key">{first.name}</span>
          <span class="key second">{second.name}</span>
        </span>
      </div>
      <svg
        class="chart"
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={label}
      >
        {[0, 0.5, 1].map((part) => (
          <line key={part} class="grid-line" x1="0" x2={width} y1={height * part} y2={height * part} />
        ))}
        {first.values.length > 1 && (
          <>
            <polygon class="area" points={`0,${height} ${line} ${width},${height}`} />
            <polyline class="series" points={line} />
            <polyline class="series second" points={points(second.values, top)} />
          </>
        )}
      </svg>
      <div class="axis">
        <span>{start}</span>
        <span>{end}</span>
      </div>
    </figure>
  );
}

/** The last minute of a sensor or rule. */
export function Spark({ kind, source }: { kind: Source; source: string }) {
  const values = sparkOf(kind, source);
  const label = `${rateText(rateOf(kind, source))} ${kind === "sensor" ? "events" : "matches"} a second now`;
  const top = Math.max(...values, 1);
  const line = values
    .map((value, index) => `${((60 - values.length + index) / 59) * 110},${23 - (value / top) * 21}`)
    .join(" ");
  return (
    <svg class="spark" viewBox="0 0 110 24" role="img" aria-label={label}>
      <line class="grid-line" x1="0" x2="110" y1="23" y2="23" stroke="var(--line)" />
      {values.length > 1 && <polyline class="series" points={line} />}
    </svg>
  );
}

/** @param counts the oldest first */
export function Bars({ counts, label }: { counts: readonly number[]; label: string }) {
  const top = Math.max(...counts, 1);
  const step = 600 / Math.max(counts.length, 1);
  return (
    <svg class="bars" viewBox="0 0 600 56" preserveAspectRatio="none" role="img" aria-label={label}>
      <line class="grid-line" x1="0" x2="600" y1="55.5" y2="55.5" stroke="var(--line)" />
      {counts.map((count, index) => (
        <rect
          key={index}
          x={index * step + step * 0.1}
          width={step * 0.8}
          y={55 - (count / top) * 52}
          height={(count / top) * 52}
        />
      ))}
    </svg>
  );
}

export function Meter({ part, label }: { part: number; label: string }) {
  return (
    <svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={label}>
      <rect width={Math.min(Math.max(part, 0), 1) * 100} height="6" />
    </svg>
  );
}

function points(values: readonly number[], top: number): string {
  return values
    .map((value, index) => {
      const x = (index / Math.max(values.length - 1, 1)) * width;
      return `${x.toFixed(1)},${(height - (value / top) * height).toFixed(1)}`;
    })
    .join(" ");
}

/** 1, 2 or 5 times a power of ten. */
function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}
