import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { GaugeSources } from "../../src/telemetry/gauges.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { idleSources } from "../support/gauge-sources.ts";

const sources: GaugeSources = {
  ...idleSources,
  sensorsSilentSeconds: () => new Map([["my.quiet", 90.5]]),
  sensorsOutputAgeSeconds: () => new Map([["my.hung", 10_800]]),
  sensorsUnusuallySilent: () => new Map([["my.hung", 1]]),
  sensorsLastEventSeconds: () => new Map([["my.hung", 1_796_000_000.25]]),
  sensorsStalledSeconds: () => new Map([["my.waiting", 12]]),
  sensorsDeafSeconds: () => new Map([["my.deaf", 7]]),
  sensorsByState: () => ({ starting: 0, running: 3, backoff: 1, failed: 0, stopped: 0 }),
  runtimesOffered: () => ["python"],
  fleet: async () => ({
    activeWorkers: 2,
    capacitySensors: 20,
    workersByRuntime: new Map([["python", 2]]),
    heartbeatLagSeconds: new Map([["sensor-a", 1.5]]),
    outboxMessages: 0,
    outboxAgeSeconds: 0,
  }),
};

function observed(changes: Partial<GaugeSources> = {}) {
  const metrics = createMetrics({ version: "1.2.3", withProcess: false });
  metrics.observe({ ...sources, ...changes });
  return metrics;
}

test("a scrape returns what was counted, measured and queried", async () => {
  const metrics = observed();
  metrics.eventsStored("demo.line", 500);
  metrics.rulesMatched("demo.every", 500);
  metrics.rulesMatched("demo.tenth", 50);
  metrics.batchCommitted(500, 0.003);

  const text = await metrics.text();

  expect(text).toContain('attune_sensor_agent_events_stored_total{trigger_ref="demo.line"} 500');
  expect(text).toContain('attune_sensor_agent_rules_matched_total{rule_ref="demo.every"} 500');
  expect(text).toContain('attune_sensor_agent_rules_matched_total{rule_ref="demo.tenth"} 50');
  expect(text).toContain(
    'attune_sensor_agent_sensor_last_event_timestamp_seconds{sensor_ref="my.hung"} 1796000000.25',
  );
  expect(text).toContain('attune_sensor_agent_sensor_unusually_silent{sensor_ref="my.hung"} 1');
  expect(text).toContain('attune_sensor_agent_batch_rows_bucket{le="500"} 1');
  expect(text).toContain('attune_sensor_agent_sensors{state="running"} 3');
  expect(text).toContain('attune_sensor_agent_sensor_silent_seconds{sensor_ref="my.quiet"} 90.5');
  expect(text).toContain('attune_sensor_agent_sensor_output_age_seconds{sensor_ref="my.hung"} 10800');
  expect(text).toContain('attune_sensor_agent_sensor_stalled_seconds{sensor_ref="my.waiting"} 12');
  expect(text).toContain('attune_sensor_agent_sensor_deaf_seconds{sensor_ref="my.deaf"} 7');
  expect(text).toContain('attune_sensor_agent_heartbeat_lag_seconds{worker="sensor-a"} 1.5');
  expect(text).toContain('attune_sensor_agent_build_info{version="1.2.3"} 1');
});

test("a gauge from the database has no value while the database is unreachable", async () => {
  const metrics = observed({ fleet: () => Promise.reject(new Error("gone")) });

  const text = await metrics.text();

  expect(text).toContain("# TYPE attune_sensor_agent_outbox_messages gauge");
  expect(text).not.toMatch(/^attune_sensor_agent_(outbox|active|heartbeat)/m);
  expect(text).toContain("attune_sensor_agent_sensor_capacity 10");
});

test("a value missing from a reading is missing from the next scrape", async () => {
  let offered = ["python", "node"];
  const metrics = observed({ runtimesOffered: () => offered });
  expect(await metrics.text()).toContain('runtime_offered{runtime="node"} 1');

  offered = ["python"];

  expect(await metrics.text()).not.toContain('runtime_offered{runtime="node"}');
});

test("the values of a label are bounded: the rest is counted as other", async () => {
  const metrics = observed();
  for (let n = 0; n < 1_500; n += 1) metrics.eventsStored(`pack.trigger${n}`, 1);

  const text = await metrics.text();

  expect(text).toContain('events_stored_total{trigger_ref="other"} 500');
  expect(text.match(/events_stored_total\{/g)?.length).toBe(1_001);
});

test("names follow the conventions of Prometheus", () => {
  for (const { name, type } of observed().descriptions) {
    expect(name).toMatch(/^attune_sensor_agent_[a-z]+(_[a-z]+)*$/);
    expect(name.endsWith("_total"), name).toBe(type === "counter");
    expect(name).not.toMatch(/_(ms|milliseconds|kb|mb)\b/);
  }
});

test("docs/metrics.md lists exactly the metrics there are, with type, labels and meaning", () => {
  const page = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8");
  const documented = page
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .filter((cells) => /^`attune_sensor_agent_\w+`$/.test(cells[1] ?? ""))
    .map((cells) => cells.slice(1, 5).join(" | "));

  const existing = observed().descriptions.map(({ name, type, labels, help }) =>
    [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(", "), help].join(" | "),
  );

  expect(documented.toSorted()).toEqual(existing.toSorted());
});
