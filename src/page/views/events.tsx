/** New events as they are stored, and older ones on demand; filtered by trigger, sensor, rule and text. */
import { useState } from "preact/hooks";
import { countText, rateText } from "../format.ts";
import { moments, tick } from "../live.ts";
import { Card, Empty, Heading, Pending } from "../parts/basics.tsx";
import { Bars } from "../parts/drawings.tsx";
import { ListCard } from "../parts/list-card.tsx";
import { ChoiceField, SearchField } from "../parts/query-field.tsx";
import { useResource } from "../resource.ts";
import { queryOf } from "../route.ts";
import { EventTable, isShown, storedShown } from "./event-table.tsx";
import { useLiveEvents } from "./live-events.ts";
import type { EventEntry, List, Rule, Sensor, Trigger } from "../types.ts";

const pageSize = 50;

export function EventsView() {
  const sourceRef = queryOf("source");
  const [isPaused, setPaused] = useState(false);
  const rules = useResource<List<Rule>>("rules?sort=ref&page_size=100").value?.items ?? [];
  const triggers = useResource<List<Trigger>>("triggers?sort=ref&page_size=100").value?.items ?? [];
  const sensors = useResource<List<Sensor>>("sensors?sort=ref&page_size=100").value?.items ?? [];
  // A rule concerns the events of its trigger.
  const ruleTrigger = rules.find(({ ref }) => ref === queryOf("rule"))?.trigger_ref;
  const triggerRef = queryOf("trigger") || (ruleTrigger ?? "");
  const key = JSON.stringify([triggerRef, sourceRef]);
  const first = useResource<List<EventEntry>>(listPath(triggerRef, sourceRef));

  const { live, missed } = useLiveEvents({ triggerRef, sourceRef, isPaused });

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

/** A button that shows the page of events before a cursor, followed by a button for the page before that. */
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

const barsMax = 60;

/** Sums over five seconds each. */
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
