/** Whether things flow, and what needs attention first. */
import { concernsOf, isBehind } from "../attention.ts";
import { countOf, countText, durationText, rateText } from "../format.ts";
import { connection, fleet, moments, tick } from "../live.ts";
import { Card, Empty, Heading, Tile } from "../parts/basics.tsx";
import { RateChart } from "../parts/drawings.tsx";
import { useFindings, useResource } from "../resource.ts";
import { hrefOf } from "../route.ts";
import type { List, Sensor, SensorState, Timer, Worker } from "../types.ts";

const states: readonly SensorState[] = ["running", "starting", "backoff", "failed", "stopped"];

export function OverviewView() {
  const sensors = useResource<List<Sensor>>("sensors?page_size=100", { isLive: true, everyMs: 15_000 }).value;
  const workers = useResource<List<Worker>>("workers?page_size=100", { isLive: true, everyMs: 15_000 }).value;
  const timers = useResource<List<Timer>>("timers?page_size=100", { everyMs: 30_000 }).value;
  const findings = useFindings(30_000).value;
  const isComplete = sensors !== undefined && workers !== undefined && findings !== undefined;
  const concerns = concernsOf({
    sensors: sensors?.items ?? [],
    workers: workers?.items ?? [],
    timers: timers?.items ?? [],
    findings: findings ?? [],
    fleet: fleet.value,
  });
  const alive = workers?.items.filter((worker) => worker.alive) ?? [];
  const enabled = sensors?.items.filter((sensor) => sensor.enabled) ?? [];
  const byState = states
    .map((state) => [state, enabled.filter((sensor) => sensor.state === state).length] as const)
    .filter(([, count]) => count > 0);
  const hasFailed = byState.some(([state]) => state === "failed");
  const skippedSlots = (timers?.items ?? []).reduce((sum, { skipped_count: count }) => sum + count, 0);
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
            value={sensors === undefined ? "–" : countText(enabled.length)}
            note={byState.map(([state, count]) => `${count} ${state}`).join(", ") || "none enabled"}
            mood={hasFailed ? "bad" : "plain"}
          />
          <Tile
            name="Workers"
            value={workers === undefined ? "–" : countText(alive.length)}
            note={`${(workers?.items.length ?? 0) - alive.length} stopped`}
          />
          <Tile
            name="Timers"
            value={timers === undefined ? "–" : countText(timers.pagination.total_items)}
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
              {isComplete && enabled.length === 0
                ? "No sensor is enabled. Load a pack with: attune-sensor-agent packs load DIR"
                : "Sensors, workers, timers and deliveries are as they should be."}
            </Empty>
          )}
        </Card>
        <Card title="The last five minutes" aside={<a href={hrefOf("events")}>All events</a>}>
          <RateChart moments={moments.value} />
        </Card>
      </div>
    </>
  );
}

function average(of: (moment: { readonly events: number; readonly enforcements: number }) => number): number {
  const all = moments.value;
  return all.length === 0 ? 0 : all.reduce((sum, moment) => sum + of(moment), 0) / all.length;
}
