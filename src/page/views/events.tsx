/** Events as they are stored, and those before; filtered by trigger, sensor, rule and text. */
import { useEffect, useState } from "preact/hooks";
import { countText, rateText } from "../format.ts";
import { moments, onEvents, tick } from "../live.ts";
import { Card, Empty, Heading, Pending, Time } from "../parts/basics.tsx";
import { Bars } from "../parts/drawings.tsx";
import { ListCard, Table } from "../parts/list-card.tsx";
import { ChoiceField, isFound, SearchField } from "../parts/query-field.tsx";
import { useResource } from "../resource.ts";
import { hrefOf, queryOf } from "../route.ts";
import type { EventEntry, List, LiveEvent, Rule, Sensor, Trigger } from "../types.ts";

interface Shown {
  readonly id: EventEntry["id"];
  readonly at: string;
  readonly triggerRef: string;
  readonly sourceRef: string | null;
  readonly excerpt: string;
  readonly isFresh: boolean;
}

const shownMax = 200;
const pageSize = 50;

export function EventsView() {
  const sourceRef = queryOf("source");
  const [live, setLive] = useState<readonly Shown[]>([]);
  const [isPaused, setPaused] = useState(false);
  const [missed, setMissed] = useState(0);
  const rules = useResource<List<Rule>>("rules?sort=ref&page_size=100").value?.items ?? [];
  const triggers = useResource<List<Trigger>>("triggers?sort=ref&page_size=100").value?.items ?? [];
  const sensors = useResource<List<Sensor>>("sensors?sort=ref&page_size=100").value?.items ?? [];
  // A rule concerns the events of its trigger.
  const ruleTrigger = rules.find(({ ref }) => ref === queryOf("rule"))?.trigger_ref;
  const triggerRef = queryOf("trigger") || (ruleTrigger ?? "");
  const key = JSON.stringify([triggerRef, sourceRef]);
  const first = useResource<List<EventEntry>>(listPath(triggerRef, sourceRef));

  useEffect(() => {
    setLive([]);
    setMissed(0);
  }, [key]);
  useEffect(
    () =>
      onEvents((entries, { events, triggers: counts }) => {
        const matching = entries.filter((entry) => isMatch(entry, triggerRef, sourceRef));
        const counted = triggerRef === "" ? events : (counts[triggerRef] ?? matching.length);
        if (isPaused) {
          setMissed((before) => before + (sourceRef === "" ? counted : matching.length));
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
  const shown = all.filter(isShown);
  const rate = tick.value?.events ?? 0;
  const cursor = first.value?.pagination.before ?? null;

  return (
    <>
      <Heading title="Events" note="What sensors saw, newest first">
        <ChoiceField label="Trigger" name="trigger" options={refsOf(triggers)} />
        <ChoiceField label="Sensor" name="source" options={refsOf(sensors)} />
        <ChoiceField label="Rule" name="rule" options={refsOf(rules)} />
        <SearchField placeholder="in what is shown" />
      </Heading>
      <div class="stack">
        <Card title="Density" aside={<span class="muted small">{rateText(rate)} a second, all events</span>}>
          <Bars
            counts={densityOf(moments.value.map(({ events }) => events))}
            label={`Events in the last five minutes, ${rateText(rate)} a second now`}
          />
        </Card>
        <ListCard
          title="Feed"
          items={first.value && shown}
          error={first.error}
          empty={
            all.length === 0 ? (
              <Empty title="No such event is stored">
                Events appear here as soon as a sensor emits one. A sensor runs when a rule on its trigger is
                enabled.
              </Empty>
            ) : (
              <Empty title="No event shown contains that text">
                The text is looked for in the events that are shown, not in all that are stored.
              </Empty>
            )
          }
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
        >
          <EventTable events={shown} />
          {cursor !== null && (
            <OlderEvents key={key} before={cursor} triggerRef={triggerRef} sourceRef={sourceRef} />
          )}
        </ListCard>
      </div>
    </>
  );
}

/** The page of events before a cursor once somebody asks for it, and then those before that page. */
function OlderEvents({
  before,
  triggerRef,
  sourceRef,
}: {
  before: string;
  triggerRef: string;
  sourceRef: string;
}) {
  const [shownBefore, showBefore] = useState<string | undefined>();
  const { value, error } = useResource<List<EventEntry>>(
    shownBefore === undefined ? undefined : listPath(triggerRef, sourceRef, shownBefore),
  );
  if (shownBefore === undefined) {
    return (
      <p class="empty">
        <button onClick={() => showBefore(before)}>Show older events</button>
      </p>
    );
  }
  if (value === undefined) return <Pending error={error} />;
  const cursor = value.pagination.before ?? null;
  return (
    <>
      <EventTable events={value.items.map(storedShown).filter(isShown)} />
      {cursor !== null && <OlderEvents before={cursor} triggerRef={triggerRef} sourceRef={sourceRef} />}
    </>
  );
}

function EventTable({ events }: { events: readonly Shown[] }) {
  return (
    <Table name="Events" class="feed" columns={["Event", "Stored", "Trigger", "Sensor", "Payload"]}>
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
    </Table>
  );
}

function refsOf(things: readonly { readonly ref: string }[]): readonly string[] {
  return things.map(({ ref }) => ref);
}

function listPath(trigger: string, source: string, before?: string): string {
  const query = new URLSearchParams({ page_size: String(pageSize) });
  if (trigger !== "") query.set("trigger_ref", trigger);
  if (source !== "") query.set("source_ref", source);
  if (before !== undefined) query.set("before", before);
  return `events?${query}`;
}

function isMatch(entry: LiveEvent, trigger: string, source: string): boolean {
  return (trigger === "" || entry.trigger_ref === trigger) && (source === "" || entry.sensor_ref === source);
}

function isShown({ id, triggerRef, sourceRef, excerpt }: Shown): boolean {
  return isFound(id, triggerRef, sourceRef, excerpt);
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
