/** Events as they are stored, and those before; filtered by trigger, sensor, rule and text. */
import { useEffect, useState } from "preact/hooks";
import { countText, rateText } from "../format.ts";
import { moments, onEvents, tick } from "../live.ts";
import { Card, Empty, Heading, Pending, Time } from "../parts/basics.tsx";
import { Bars } from "../parts/drawings.tsx";
import { useResource } from "../resource.ts";
import { hrefOf, replaceQuery, route } from "../route.ts";
import type { EventEntry, List, LiveEvent, Rule, Sensor, Trigger } from "../types.ts";

interface Shown {
  readonly id: EventEntry["id"];
  readonly at: string;
  readonly triggerRef: string;
  readonly sourceRef: string | null;
  readonly excerpt: string;
  readonly isFresh: boolean;
}

interface Filter {
  readonly trigger: string;
  readonly source: string;
  readonly rule: string;
  readonly text: string;
}

const shownMax = 200;
const pageSize = 50;

export function EventsView() {
  const filter = readFilter();
  const [live, setLive] = useState<readonly Shown[]>([]);
  const [isPaused, setPaused] = useState(false);
  const [missed, setMissed] = useState(0);
  const [older, setOlder] = useState<readonly string[]>([]);
  const rules = useResource<List<Rule>>("rules?sort=ref&page_size=100").value?.items ?? [];
  const triggers = useResource<List<Trigger>>("triggers?sort=ref&page_size=100").value?.items ?? [];
  const sensors = useResource<List<Sensor>>("sensors?sort=ref&page_size=100").value?.items ?? [];
  // A rule concerns the events of its trigger.
  const ruleTrigger = rules.find(({ ref }) => ref === filter.rule)?.trigger_ref;
  const triggerRef = filter.trigger === "" ? (ruleTrigger ?? "") : filter.trigger;
  const key = JSON.stringify([triggerRef, filter.source]);
  const first = useResource<List<EventEntry>>(listPath(triggerRef, filter.source, undefined));

  useEffect(() => {
    setLive([]);
    setOlder([]);
    setMissed(0);
  }, [key]);
  useEffect(
    () =>
      onEvents((entries, { events, triggers: counts }) => {
        const matching = entries.filter((entry) => isMatch(entry, triggerRef, filter.source));
        const counted = triggerRef === "" ? events : (counts[triggerRef] ?? matching.length);
        if (isPaused) {
          setMissed((before) => before + (filter.source === "" ? counted : matching.length));
          return;
        }
        if (matching.length > 0)
          setLive((before) => [...matching.map(liveShown).toReversed(), ...before].slice(0, shownMax));
      }),
    [key, isPaused],
  );

  const stored = (first.value?.items ?? []).map(storedShown);
  const known = new Set(live.map(({ id }) => String(id)));
  const all = [...live, ...stored.filter(({ id }) => !known.has(String(id)))];
  const shown = all.filter((event) => isTextIn(event, filter.text));
  const rate = tick.value?.events ?? 0;
  const change = (next: Partial<Filter>): void => {
    replaceQuery(
      Object.fromEntries(Object.entries({ ...filter, ...next }).filter(([, each]) => each !== "")),
    );
  };
  const cursor = first.value?.pagination.before ?? null;

  return (
    <>
      <Heading title="Events" note="What sensors saw, newest first">
        <Choice
          name="Trigger"
          value={filter.trigger}
          refs={triggers}
          onChange={(trigger) => change({ trigger })}
        />
        <Choice
          name="Sensor"
          value={filter.source}
          refs={sensors}
          onChange={(source) => change({ source })}
        />
        <Choice name="Rule" value={filter.rule} refs={rules} onChange={(rule) => change({ rule })} />
        <label class="field">
          Text
          <input
            type="search"
            value={filter.text}
            placeholder="in what is shown"
            onInput={(event) => change({ text: event.currentTarget.value })}
          />
        </label>
      </Heading>
      <div class="stack">
        <Card title="Density" aside={<span class="muted small">{rateText(rate)} a second, all events</span>}>
          <Bars
            counts={densityOf(moments.value.map(({ events }) => events))}
            label={`Events in the last five minutes, ${rateText(rate)} a second now`}
          />
        </Card>
        <Card
          title="Feed"
          aside={
            <span class="row">
              <span class="muted small" role="status">
                {isPaused
                  ? `${countText(missed)} since you paused`
                  : rate > live.length && rate > 20
                    ? "a sample of each second"
                    : ""}
              </span>
              <button
                aria-pressed={isPaused}
                onClick={() => {
                  setPaused(!isPaused);
                  setMissed(0);
                  if (isPaused) first.reload();
                }}
              >
                {isPaused ? "Go on" : "Pause"}
              </button>
            </span>
          }
          flush
        >
          {first.value === undefined ? (
            <Pending error={first.error} />
          ) : shown.length === 0 ? (
            <Empty title={all.length === 0 ? "No such event is stored" : "No event shown contains that text"}>
              {all.length === 0
                ? "Events appear here as soon as a sensor emits one. A sensor runs when a rule on its trigger is enabled."
                : "The text is looked for in the events that are shown, not in all that are stored."}
            </Empty>
          ) : (
            <>
              <EventTable events={shown} />
              {older.map((before) => (
                <OlderEvents
                  key={before}
                  path={listPath(triggerRef, filter.source, before)}
                  text={filter.text}
                  onMore={(next) => setOlder([...older, next])}
                  isLast={before === older.at(-1)}
                />
              ))}
              {older.length === 0 && cursor !== null && (
                <p class="empty">
                  <button onClick={() => setOlder([cursor])}>Show older events</button>
                </p>
              )}
            </>
          )}
        </Card>
      </div>
    </>
  );
}

function OlderEvents({
  path,
  text,
  onMore,
  isLast,
}: {
  path: string;
  text: string;
  onMore: (cursor: string) => void;
  isLast: boolean;
}) {
  const { value, error } = useResource<List<EventEntry>>(path);
  if (value === undefined) return <Pending error={error} />;
  const cursor = value.pagination.before ?? null;
  return (
    <>
      <EventTable events={value.items.map(storedShown).filter((event) => isTextIn(event, text))} />
      {isLast && cursor !== null && (
        <p class="empty">
          <button onClick={() => onMore(cursor)}>Show older events</button>
        </p>
      )}
    </>
  );
}

function EventTable({ events }: { events: readonly Shown[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Events">
      <table class="feed">
        <thead>
          <tr>
            <th>Event</th>
            <th>Stored</th>
            <th>Trigger</th>
            <th>Sensor</th>
            <th>Payload</th>
          </tr>
        </thead>
        <tbody>
          {events.map(({ id, at, triggerRef, sourceRef, excerpt, isFresh }) => (
            <tr key={String(id)} class={isFresh ? "fresh" : ""}>
              <td class="nowrap">
                <a href={hrefOf("events", id)}>{id}</a>
              </td>
              <td>
                <Time at={at} />
              </td>
              <td>{triggerRef}</td>
              <td>{sourceRef ?? <span class="muted">–</span>}</td>
              <td class="name mono muted">{excerpt}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Choice({
  name,
  value,
  refs,
  onChange,
}: {
  name: string;
  value: string;
  refs: readonly { readonly ref: string }[];
  onChange: (ref: string) => void;
}) {
  const known = refs.some(({ ref }) => ref === value) || value === "";
  return (
    <label class="field">
      {name}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">all</option>
        {!known && <option value={value}>{value}</option>}
        {refs.map(({ ref }) => (
          <option key={ref} value={ref}>
            {ref}
          </option>
        ))}
      </select>
    </label>
  );
}

function readFilter(): Filter {
  const { query } = route.value;
  const of = (name: string): string => query.get(name) ?? "";
  return { trigger: of("trigger"), source: of("source"), rule: of("rule"), text: of("text") };
}

function listPath(trigger: string, source: string, before: string | undefined): string {
  const query = new URLSearchParams({ page_size: String(pageSize) });
  if (trigger !== "") query.set("trigger_ref", trigger);
  if (source !== "") query.set("source_ref", source);
  if (before !== undefined) query.set("before", before);
  return `events?${query}`;
}

function isMatch(entry: LiveEvent, trigger: string, source: string): boolean {
  return (trigger === "" || entry.trigger_ref === trigger) && (source === "" || entry.sensor_ref === source);
}

function isTextIn({ id, triggerRef, sourceRef, excerpt }: Shown, text: string): boolean {
  return (
    text === "" || `${id} ${triggerRef} ${sourceRef} ${excerpt}`.toLowerCase().includes(text.toLowerCase())
  );
}

function liveShown({ id, at, trigger_ref: triggerRef, sensor_ref: sourceRef, excerpt }: LiveEvent): Shown {
  return { id, at, triggerRef, sourceRef, excerpt, isFresh: true };
}

function storedShown({
  id,
  created,
  trigger_ref: triggerRef,
  source_ref: sourceRef,
  dedup_key: key,
}: EventEntry): Shown {
  return {
    id,
    at: created,
    triggerRef,
    sourceRef,
    excerpt: key === null ? "" : `dedup_key ${key}`,
    isFresh: false,
  };
}

const barsMax = 60;

/** Sums of five seconds. */
function densityOf(perSecond: readonly number[]): number[] {
  const length = 300 / barsMax;
  const padded = [
    ...Array.from({ length: Math.max(300 - perSecond.length, 0) }, () => 0),
    ...perSecond.slice(-300),
  ];
  return Array.from({ length: barsMax }, (_, index) =>
    padded.slice(index * length, (index + 1) * length).reduce((sum, count) => sum + count, 0),
  );
}
