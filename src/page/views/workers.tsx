/** The agents that run sensors, their load and what they offer. */
import { countOf, countText } from "../format.ts";
import { Empty, Heading, State } from "../parts/basics.tsx";
import { Meter } from "../parts/drawings.tsx";
import { TableCard } from "../parts/list-card.tsx";
import { Age } from "../parts/time.tsx";
import { useList } from "../list.ts";
import { hrefOf } from "../route.ts";
import type { Json, Sensor, Worker } from "../types.ts";

export function WorkersView() {
  // All of them: which one to drain shows only then.
  const list = useList<Worker>("workers?sort=name&page_size=100", {
    isLive: true,
    everyMs: 5_000,
    isWhole: true,
  });
  const sensors = useList<Sensor>("sensors?sort=ref&page_size=100", { isLive: true, everyMs: 10_000 }).items;
  const workers = list.items?.toSorted((one, other) => Number(other.alive) - Number(one.alive));
  const hint = drainHint(workers ?? []);
  const aliveCount = workers?.filter(({ alive }) => alive).length ?? 0;
  return (
    <>
      <Heading title="Workers" note="Running agents, and those that ran before" />
      <div class="stack">
        {hint !== undefined && (
          <section class="card" aria-label="Which worker to drain">
            <div class="notice warn">
              <p>
                <strong>{hint}</strong>
              </p>
              <p class="muted">
                Stop it with SIGTERM: it releases its sensors, and others take them over at once.
              </p>
            </div>
          </section>
        )}
        <TableCard
          name="Workers"
          title={`${countText(aliveCount)} alive`}
          columns={["Worker", "State", "Load", "Last heartbeat", "Version", "Runtimes", "Runs"]}
          items={workers}
          error={list.error}
          pages={list}
          empty={<Empty title="No worker has registered yet">Start an agent with this database.</Empty>}
        >
          {(worker) => (
            <WorkerRow
              key={worker.name}
              worker={worker}
              sensors={(sensors ?? []).filter((each) => each.worker_name === worker.name)}
            />
          )}
        </TableCard>
      </div>
    </>
  );
}

const shownMax = 6;

function WorkerRow({ worker, sensors }: { worker: Worker; sensors: readonly Sensor[] }) {
  const max = capacityOf(worker);
  const shown = sensors.slice(0, shownMax);
  const more = worker.sensors_held - shown.length;
  const hasEnded = !worker.alive && worker.status !== "active";
  return (
    <tr>
      <td class="name">
        <strong>{worker.name}</strong>
        <span class="sub">
          {worker.worker_type} · {worker.host ?? "host unknown"}
        </span>
      </td>
      <td>
        {worker.alive ? (
          <State mood="good">alive</State>
        ) : hasEnded ? (
          <State mood="off">stopped</State>
        ) : (
          <State mood="bad">lease ran out</State>
        )}
      </td>
      <td>
        <span class="row nowrap">
          <Meter part={max === undefined ? 0 : worker.capacity_used / max} label={loadText(worker)} />
          {loadText(worker)}
        </span>
      </td>
      <td>
        <Age at={worker.last_heartbeat} />
      </td>
      <td>{textOf(worker.capabilities?.["sensor_version"])}</td>
      <td>{listText(worker.capabilities?.["runtimes"])}</td>
      <td>
        {shown.map(({ ref }) => (
          <a key={ref} href={hrefOf("sensors", ref)} class="sub">
            {ref}
          </a>
        ))}
        {more > 0 && (
          <a class="sub" href={hrefOf("sensors", undefined, { worker: worker.name })}>
            {shown.length === 0 ? countOf(more, "sensor") : `and ${countText(more)} more`}
          </a>
        )}
      </td>
    </tr>
  );
}

/** Which worker an operator should stop first. */
function drainHint(workers: readonly Worker[]): string | undefined {
  const alive = workers.filter((worker) => worker.alive && worker.worker_role !== "action");
  if (alive.length < 2) return undefined;
  const busiest = alive.reduce((one, other) => (shareOf(other) > shareOf(one) ? other : one));
  if (shareOf(busiest) >= 0.9) {
    return `${busiest.name} is nearly full (${loadText(busiest)} sensors): drain it, or start another worker`;
  }
  const idlest = alive.reduce((one, other) => (other.sensors_held < one.sensors_held ? other : one));
  const oldest = versionsOf(alive)[0];
  const outdated = alive.find(({ capabilities }) => textOf(capabilities?.["sensor_version"]) === oldest);
  if (versionsOf(alive).length > 1 && outdated !== undefined) {
    return `${outdated.name} has the oldest version (${oldest}): drain it first`;
  }
  return `To take one worker away, drain ${idlest.name}: it runs the fewest sensors (${countText(idlest.sensors_held)})`;
}

function versionsOf(workers: readonly Worker[]): string[] {
  const known = workers.flatMap(({ capabilities }) => {
    const version = capabilities?.["sensor_version"];
    return typeof version === "string" ? [version] : [];
  });
  const versions = new Set(known);
  return [...versions].toSorted((one, other) => one.localeCompare(other, "en", { numeric: true }));
}

function shareOf(worker: Worker): number {
  const max = capacityOf(worker);
  return max === undefined ? 0 : worker.capacity_used / max;
}

function capacityOf({ capabilities }: Worker): number | undefined {
  const max = capabilities?.["max_concurrent_sensors"];
  return typeof max === "number" && max > 0 ? max : undefined;
}

function loadText(worker: Worker): string {
  const max = capacityOf(worker);
  return max === undefined ? `${worker.sensors_held}` : `${worker.capacity_used} of ${max}`;
}

function textOf(value: Json | undefined): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "–";
}

function listText(value: Json | undefined): string {
  return Array.isArray(value) ? value.map(String).join(", ") : "–";
}
