/** New events as they are stored, and older ones on demand; filtered by trigger, sensor, rule and text. */
import { useState } from "preact/hooks";
import { countText, rateText } from "../format.ts";
import { moments, tick } from "../live.ts";
import { Card, Empty, Heading } from "../parts/basics.tsx";
import { Bars } from "../parts/drawings.tsx";
import { ListCard } from "../parts/list-card.tsx";
import { ChoiceField, SearchField } from "../parts/query-field.tsx";
import { useList } from "../list.ts";
import { queryOf } from "../route.ts";
import { EventTable, isShown, storedShown } from "./event-table.tsx";
import { useLiveEvents } from "./live-events.ts";
import type { EventEntry, Rule, Sensor, Trigger } from "../types.ts";

const pageSize = 50;

export function EventsView() {
  const sourceRef = queryOf("source");
  const [isPaused, setPaused] = useState(false);
  const whole = { isWhole: true };
  const rules = useList<Rule>("rules?sort=ref&page_size=100", whole).items ?? [];
  const triggers = useList<Trigger>("triggers?sort=ref&page_size=100", whole).items ?? [];
  const sensors = useList<Sensor>("sensors?sort=ref&page_size=100", whole).items ?? [];
  // A rule concerns the events of its trigger.
  const ruleTrigger = rules.find(({ ref }) => ref === queryOf("rule"))?.trigger_ref;
  const triggerRef = queryOf("trigger") || (ruleTrigger ?? "");
  const list = useList<EventEntry>(listPath(triggerRef, sourceRef));

  const { live, missed, last } = useLiveEvents({ triggerRef, sourceRef, isPaused });

  const stored = (list.items ?? []).map(storedShown);
  const known = new Set(live.map(({ id }) => String(id)));
  const all = [...live, ...stored.filter(({ id }) => !known.has(String(id)))];
  const shown = all.filter(isShown);
  const rate = tick.value?.events ?? 0;

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
          items={list.items && shown}
          error={list.error}
          pages={list}
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
              <span class="muted small">
                {isPaused
                  ? `${countText(missed)} since you paused`
                  : last.leftOut > 0
                    ? `the newest ${countText(last.stored - last.leftOut)} of ${countText(last.stored)} in the last second; ${countText(last.leftOut)} left out`
                    : ""}
              </span>
              <button
                aria-pressed={isPaused}
                onClick={() => {
                  setPaused(!isPaused);
                  if (isPaused) list.reload();
                }}
              >
                {isPaused ? "Go on" : "Pause"}
              </button>
            </span>
          }
        >
          <EventTable events={shown} />
        </ListCard>
      </div>
    </>
  );
}

function refsOf(things: readonly { readonly ref: string }[]): readonly string[] {
  return things.map(({ ref }) => ref);
}

function listPath(trigger: string, source: string): string {
  const query = new URLSearchParams({ page_size: String(pageSize) });
  if (trigger !== "") query.set("trigger_ref", trigger);
  if (source !== "") query.set("source_ref", source);
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
