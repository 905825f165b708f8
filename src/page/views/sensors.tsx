/** All sensors with their state and rate. */
import { endReasonOf } from "../attention.ts";
import { countOf, rateText } from "../format.ts";
import { rateOf } from "../live.ts";
import { Act } from "../parts/act.tsx";
import { Empty, Heading, Ref, SensorStateMark } from "../parts/basics.tsx";
import { Spark } from "../parts/drawings.tsx";
import { TableCard } from "../parts/list-card.tsx";
import { ChoiceField, SearchField } from "../parts/query-field.tsx";
import { Age } from "../parts/time.tsx";
import { useList, type PagedList } from "../list.ts";
import { hrefOf, queryOf } from "../route.ts";
import type { Sensor, SensorState } from "../types.ts";

const often = { isLive: true, everyMs: 10_000 };
const order: readonly SensorState[] = ["failed", "backoff", "starting", "running", "stopped"];

export function SensorsView() {
  const state = queryOf("state");
  const worker = queryOf("worker");
  const q = queryOf("text");
  const list = useList<Sensor>(listPath({ state, worker, q }), often);
  // On a later page they would be seen by nobody.
  const isLong = list.items !== undefined && !list.isSinglePage && state === "";
  const failed = useList<Sensor>(isLong ? listPath({ state: "failed", worker, q }) : undefined, often);
  const waiting = useList<Sensor>(isLong ? listPath({ state: "backoff", worker, q }) : undefined, often);
  const sensors = ordered(list, [failed.items ?? [], waiting.items ?? []].flat());
  const reload = (): void => {
    for (const each of [list, failed, waiting]) each.reload();
  };
  return (
    <>
      <Heading title="Sensors" note="Programs that watch something and emit events">
        {worker !== "" && (
          <a class="button" href={hrefOf("sensors")}>
            Only those of {worker}: show all
          </a>
        )}
        <ChoiceField label="State" name="state" options={order} />
        <SearchField />
      </Heading>
      <TableCard
        name="Sensors"
        title={sensors && countOf(list.total, "sensor")}
        columns={[
          "Sensor",
          "State",
          "Events a second",
          "Last output",
          "Up for",
          "Worker",
          { number: "Failures" },
          { hidden: "Actions" },
        ]}
        items={sensors}
        error={list.error}
        pages={list}
        empty={
          state === "" && worker === "" && q === "" ? (
            <Empty title="There are no sensors yet">
              A pack brings them. Load one with: attune-sensor-agent packs load DIR
            </Empty>
          ) : (
            <Empty title="No sensor is like that">Choose another state or text.</Empty>
          )
        }
      >
        {(sensor) => <SensorRow key={sensor.ref} sensor={sensor} reload={reload} />}
      </TableCard>
    </>
  );
}

function listPath(filter: { readonly state: string; readonly worker: string; readonly q: string }): string {
  const set = Object.entries(filter).filter(([, value]) => value !== "");
  return `sensors?${new URLSearchParams([["sort", "ref"], ["page_size", "100"], ...set])}`;
}

/**
 * The worst first. Of many only those in trouble, and the others by their refs, so that no row jumps when further ones are
 * shown.
 */
function ordered(
  { items, isSinglePage }: PagedList<Sensor>,
  troubled: readonly Sensor[],
): readonly Sensor[] | undefined {
  if (isSinglePage) return items?.toSorted((one, other) => rankOf(one) - rankOf(other));
  const first = new Set(troubled.map(({ ref }) => ref));
  return items && [...troubled, ...items.filter(({ ref }) => !first.has(ref))];
}

function SensorRow({ sensor, reload }: { sensor: Sensor; reload: () => void }) {
  const { ref, state, enabled, process, worker_name: worker } = sensor;
  const isBuiltIn = sensor.runtime_ref === "core.sensor.builtin";
  return (
    <tr>
      <td class="name">
        <a href={hrefOf("sensors", ref)}>
          <Ref text={ref} />
        </a>
        <span class="sub">{reasonOf(sensor) ?? sensor.label}</span>
      </td>
      <td>
        <SensorStateMark state={state} enabled={enabled} />
      </td>
      <td>
        <span class="row nowrap">
          <Spark kind="sensor" source={ref} />
          {rateText(rateOf("sensor", ref))}
        </span>
      </td>
      <td>{isBuiltIn ? <span class="muted">–</span> : <Age at={process?.last_output_at} />}</td>
      <td>
        {state === "running" ? <Age at={process?.started_at} suffix="" /> : <span class="muted">–</span>}
      </td>
      <td>{worker ?? <span class="muted">–</span>}</td>
      <td class="number">{process?.failures ?? 0}</td>
      <td>
        {enabled && (state === "failed" || state === "backoff") && (
          <span class="row">
            <Act name="Restart" path={`sensors/${ref}/restart`} done="restarted" onDone={reload} />
          </span>
        )}
      </td>
    </tr>
  );
}

/** Why it does not run. */
function reasonOf({ state, enabled, process }: Sensor): string | null {
  return !enabled || state === "running" ? null : endReasonOf(process);
}

function rankOf({ state, enabled }: Sensor): number {
  return enabled ? order.indexOf(state) : order.length;
}
