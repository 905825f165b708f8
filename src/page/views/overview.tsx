/** Whether things flow, and what needs attention first. */
import { concernsOf, isBehind, isTroubled } from "../attention.ts";
import { countOf, countText, durationText, rateText } from "../format.ts";
import { connection, fleet, moments, tick } from "../live.ts";
import { Card, Empty, Heading, Tile } from "../parts/basics.tsx";
import { RateChart } from "../parts/drawings.tsx";
import { GapsCard } from "../parts/gaps-card.tsx";
import { overviewPaths } from "../early.ts";
import { useFindings, useResource } from "../resource.ts";
import { useList } from "../list.ts";
import { hrefOf } from "../route.ts";
import type { List, Sensor, SensorState, Timer, Worker } from "../types.ts";

const often = { isLive: true, everyMs: 15_000 };
const states: readonly SensorState[] = ["running", "starting", "backoff", "failed", "stopped"];

export function OverviewView() {
  const { sensors, count, byState } = useEnabledSensors();
  const workers = useList<Worker>(overviewPaths.workers, { ...often, isWhole: true }).items;
  const timers = useList<Timer>(overviewPaths.timers, { everyMs: 30_000, isWhole: true });
  const findings = useFindings(30_000).value;
  const isComplete = sensors !== undefined && workers !== undefined && findings !== undefined;
  const concerns = concernsOf({
    sensors: sensors ?? [],
    workers: workers ?? [],
    timers: timers.items ?? [],
    findings: findings ?? [],
    fleet: fleet.value,
  });
  const alive = workers?.filter((worker) => worker.alive) ?? [];
  const hasFailed = byState.some(([state]) => state === "failed");
  const skippedSlots = (timers.items ?? []).reduce((sum, timer) => sum + timer.skipped_count, 0);
  const facts = fleet.value;

  return (
    <>
      <Heading title="Overview" note="All workers of this installation, live" />
      <div class="stack">
        <div class="grid tiles">
          <Tile
            name="Events a second"
            value={rateText(tick.value?.events ?? 0)}
            note={
              connection.value === "live"
                ? `${rateText(average((each) => each.events))} on average`
                : "not connected"
            }
          />
          <Tile
            name="Enforcements a second"
            value={rateText(tick.value?.enforcements ?? 0)}
            note={`${rateText(average((each) => each.enforcements))} on average`}
          />
          <Tile
            name="Messages waiting"
            value={facts === null ? "–" : countText(facts.outbox_messages)}
            note={
              facts === null || facts.outbox_messages === 0
                ? "all delivered"
                : `oldest ${durationText(facts.outbox_age_seconds)}`
            }
            mood={facts !== null && isBehind(facts) ? "bad" : "plain"}
          />
          <Tile
            name="Sensors"
            value={sensors === undefined ? "–" : countText(count)}
            note={byState.map(([state, of]) => `${countText(of)} ${state}`).join(", ") || "none enabled"}
            mood={hasFailed ? "bad" : "plain"}
          />
          <Tile
            name="Workers"
            value={workers === undefined ? "–" : countText(alive.length)}
            note={`${(workers?.length ?? 0) - alive.length} stopped`}
          />
          <Tile
            name="Timers"
            value={timers.items === undefined ? "–" : countText(timers.total)}
            note={skippedSlots === 0 ? "no slot skipped" : `${countOf(skippedSlots, "slot")} skipped so far`}
          />
        </div>
        <Card title="Needs attention" flush>
          {concerns.length > 0 && (
            <div role="list">
              {concerns.slice(0, 12).map(({ mood, text, more, href }) => (
                <div key={text} role="listitem" class={`notice ${mood}`}>
                  <p>
                    <strong>{text}</strong>
                  </p>
                  {more !== null && <p class="muted">{more}</p>}
                  <a href={href}>
                    Look<span class="hidden"> at: {text}</span>
                  </a>
                </div>
              ))}
            </div>
          )}
          {concerns.length === 0 && (
            <Empty title={isComplete ? "Nothing needs attention" : "Looking …"}>
              {isComplete && count === 0
                ? "No sensor is enabled. Load a pack with: attune-sensor-agent packs load DIR"
                : "Sensors, workers, timers and deliveries are as they should be."}
            </Empty>
          )}
        </Card>
        <Card title="The last five minutes" aside={<a href={hrefOf("events")}>All events</a>}>
          <RateChart moments={moments.value} />
        </Card>
        <GapsCard />
      </div>
    </>
  );
}

/** The enabled sensors: of many, those in trouble, and how many there are in each state. */
function useEnabledSensors() {
  const all = useResource<List<Sensor>>(overviewPaths.sensors, often).value;
  const isLong = all?.pagination.has_next === true;
  const parts = states.map((state) => {
    const size = isTroubled(state) ? 100 : 1;
    const path = `sensors?enabled=true&state=${state}&page_size=${size}`;
    const part = useResource<List<Sensor>>(isLong ? path : undefined, often).value;
    const shown = all?.items.filter((sensor) => sensor.state === state) ?? [];
    return isLong
      ? { state, count: part?.pagination.total_items ?? 0, items: part?.items ?? [] }
      : { state, count: shown.length, items: shown };
  });
  return {
    sensors: all && parts.filter(({ state }) => isTroubled(state)).flatMap(({ items }) => items),
    count: all?.pagination.total_items ?? 0,
    byState: parts.filter(({ count }) => count > 0).map(({ state, count }) => [state, count] as const),
  };
}

function average(of: (moment: { readonly events: number; readonly enforcements: number }) => number): number {
  const all = moments.value;
  return all.length === 0 ? 0 : all.reduce((sum, moment) => sum + of(moment), 0) / all.length;
}
