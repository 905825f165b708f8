/** All sensors with their state and rate. */
import { countOf, rateText } from "../format.ts";
import { sparkOf, tick } from "../live.ts";
import { Act } from "../parts/act.tsx";
import { Age, Card, Empty, Heading, Pending, Ref, SensorStateMark } from "../parts/basics.tsx";
import { Spark } from "../parts/drawings.tsx";
import { useResource } from "../resource.ts";
import { hrefOf, replaceQuery, route } from "../route.ts";
import type { List, Sensor, SensorState } from "../types.ts";

const order: readonly SensorState[] = ["failed", "backoff", "starting", "running", "stopped"];

export function SensorsView() {
  const state = route.value.query.get("state") ?? "";
  const text = route.value.query.get("text") ?? "";
  const { value, error, reload } = useResource<List<Sensor>>(
    `sensors?sort=ref&page_size=100${state === "" ? "" : `&state=${state}`}`,
    { isLive: true, everyMs: 10_000 },
  );
  const filter = (next: { state?: string; text?: string }): void => {
    const all = { state, text, ...next };
    replaceQuery(Object.fromEntries(Object.entries(all).filter(([, each]) => each !== "")));
  };
  const sensors = (value?.items ?? [])
    .filter(({ ref, label }) => `${ref} ${label}`.toLowerCase().includes(text.toLowerCase()))
    .toSorted((one, other) => rankOf(one) - rankOf(other));
  return (
    <>
      <Heading title="Sensors" note="Programs that watch something and emit events">
        <label class="field">
          State
          <select value={state} onChange={(event) => filter({ state: event.currentTarget.value })}>
            <option value="">all</option>
            {order.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          Text
          <input
            type="search"
            value={text}
            onInput={(event) => filter({ text: event.currentTarget.value })}
          />
        </label>
      </Heading>
      <Card title={value === undefined ? "Sensors" : countOf(sensors.length, "sensor")} flush>
        {value === undefined ? (
          <Pending error={error} />
        ) : sensors.length === 0 ? (
          <Empty title={state === "" && text === "" ? "There are no sensors yet" : "No sensor is like that"}>
            {state === "" && text === ""
              ? "A pack brings them. Load one with: attune-sensor-agent packs load DIR"
              : "Choose another state or text."}
          </Empty>
        ) : (
          <div class="scroll" tabIndex={0} role="region" aria-label="Sensors">
            <table>
              <thead>
                <tr>
                  <th>Sensor</th>
                  <th>State</th>
                  <th>Events a second</th>
                  <th>Last output</th>
                  <th>Up for</th>
                  <th>Worker</th>
                  <th class="number">Failures</th>
                  <th>
                    <span class="hidden">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {sensors.map((sensor) => (
                  <SensorRow key={sensor.ref} sensor={sensor} reload={reload} />
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Card>
    </>
  );
}

function SensorRow({ sensor, reload }: { sensor: Sensor; reload: () => void }) {
  const { ref, state, enabled, process, worker_name: worker } = sensor;
  const rate = tick.value?.sensors[ref] ?? 0;
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
          <Spark values={sparkOf("sensor", ref)} label={`${rateText(rate)} events a second now`} />
          {rateText(rate)}
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
  if (!enabled || state === "running" || process === null) return null;
  const last = process.stderr_excerpt?.trim().split("\n").at(-1);
  return [process.reason, last].filter(Boolean).join(": ") || null;
}

function rankOf({ state, enabled }: Sensor): number {
  return enabled ? order.indexOf(state) : order.length;
}
