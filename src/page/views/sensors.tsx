/** All sensors with their state and rate. */
import { endReasonOf } from "../attention.ts";
import { countOf, rateText } from "../format.ts";
import { rateOf } from "../live.ts";
import { Act } from "../parts/act.tsx";
import { Empty, Heading, Ref, SensorStateMark } from "../parts/basics.tsx";
import { Spark } from "../parts/drawings.tsx";
import { TableCard } from "../parts/list-card.tsx";
import { ChoiceField, isFound, SearchField } from "../parts/query-field.tsx";
import { Age } from "../parts/time.tsx";
import { useResource } from "../resource.ts";
import { hrefOf, queryOf } from "../route.ts";
import type { List, Sensor, SensorState } from "../types.ts";

const order: readonly SensorState[] = ["failed", "backoff", "starting", "running", "stopped"];

export function SensorsView() {
  const state = queryOf("state");
  const { value, error, reload } = useResource<List<Sensor>>(
    `sensors?sort=ref&page_size=100${state === "" ? "" : `&state=${state}`}`,
    { isLive: true, everyMs: 10_000 },
  );
  const sensors = value?.items
    .filter(({ ref, label }) => isFound(ref, label))
    .toSorted((one, other) => rankOf(one) - rankOf(other));
  return (
    <>
      <Heading title="Sensors" note="Programs that watch something and emit events">
        <ChoiceField label="State" name="state" options={order} />
        <SearchField />
      </Heading>
      <TableCard
        name="Sensors"
        title={sensors && countOf(sensors.length, "sensor")}
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
        error={error}
        empty={
          state === "" && queryOf("text") === "" ? (
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
