/** The alert rules: Prometheus accepts them, each fires when it should, and the metrics they use exist. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Type } from "typebox";
import { beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { repositoryRoot } from "../../scripts/repository.ts";
import { requireInstalled } from "../../scripts/services/debian-packages.ts";
import { prometheus } from "../../scripts/testing/requirements.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { idleSources } from "../support/gauge-sources.ts";
import { composeServices, decode, dockerDirectory, readYaml, sensorServices } from "./deployment-files.ts";

const rulesFile = join(dockerDirectory, "prometheus/alerts.yaml");

const Rules = Type.Object({
  groups: Type.Array(
    Type.Object({
      rules: Type.Array(
        Type.Object({
          alert: Type.String(),
          expr: Type.String(),
          for: Type.Optional(Type.String()),
          labels: Type.Object({ severity: Type.Enum(["critical", "warning"]) }),
          annotations: Type.Object({ summary: Type.String(), description: Type.String() }),
        }),
      ),
    }),
  ),
});

const rules = decode(Rules, readYaml("prometheus/alerts.yaml")[0]).groups.flatMap((group) => group.rules);

const metrics = createMetrics({ version: "1.2.3", withProcess: false });
metrics.observe(idleSources);

beforeAll(async () => {
  await requireInstalled(prometheus);
});

/** Series → values, in promtool's notation; a name without prefix is the agent's. */
type Series = Readonly<Record<string, string>>;

/** Two healthy agents. Values are one minute apart. */
const well: Series = {
  up: "1x120",
  build_info: "1x120",
  'part_up{part="database"}': "1x120",
  'part_up{part="broker"}': "1x120",
  'part_up{part="leases"}': "1x120",
  'part_up{part="events"}': "1x120",
  'broker_condition{condition="up"}': "1x120",
  outbox_age_seconds: "0x120",
  outbox_messages: "3x120",
  'sensors{state="failed"}': "0x120",
  'sensors{state="running"}': "2x120",
  leases_held: "2x120",
  sensor_capacity_used: "2x120",
  sensors_unplaced: "0x120",
  fleet_capacity_sensors: "20x120",
  rules_invalid: "0x120",
  'sensor_events_total{sensor_ref="my.sensor"}': "0+60x120",
  'lines_rejected_total{sensor_ref="my.sensor"}': "0+1x120",
  events_refused_total: "4x120",
  leases_lost_total: "4x120",
  events_fenced_total: "4x120",
  log_lines_lost_total: "4x120",
  'partitions_overdue{table="event"}': "0x120",
};

/** Differences from `well` → the alerts that then fire. */
const scenarios: readonly (readonly [string, Series, readonly string[]])[] = [
  ["nothing is wrong", {}, []],
  ["an agent does not answer", { up: "1x10 0x110" }, ["AttuneAgentDown"]],
  ["there is no agent", { build_info: "_x120" }, ["AttuneNoAgent"]],
  [
    "the database is down, and with it what needs it",
    {
      'part_up{part="database"}': "0x120",
      'part_up{part="events"}': "0x120",
      'part_up{part="leases"}': "0x120",
    },
    ["AttuneDatabaseDown"],
  ],
  ["batches fail", { 'part_up{part="events"}': "0x120" }, ["AttuneEventsNotStored"]],
  ["leases are not renewed", { 'part_up{part="leases"}': "0x120" }, ["AttuneLeasesNotRenewed"]],
  [
    "the broker is down, whatever its condition is called at each moment",
    {
      'part_up{part="broker"}': "0x120",
      'broker_condition{condition="up"}': "_x120",
      'broker_condition{condition="connecting"}': "1 _ 1 _ 1 _ 1 _ 1 _ 1 _ 1 _x109",
      'broker_condition{condition="disconnected"}': "_ 1 _ 1 _ 1 _ 1 _ 1 _ 1 1x108",
    },
    ["AttuneBrokerDown"],
  ],
  [
    "the broker has raised an alarm",
    {
      'part_up{part="broker"}': "0x120",
      'broker_condition{condition="up"}': "_x120",
      'broker_condition{condition="blocked"}': "1x120",
    },
    ["AttuneBrokerBlocked"],
  ],
  ["old rows stay", { 'partitions_overdue{table="event"}': "1x120" }, ["AttuneOldRowsStay"]],
  ["messages do not leave", { outbox_age_seconds: "0+60x120" }, ["AttuneMessagesLate"]],
  ["the outbox grows", { outbox_messages: "9000+100x120" }, ["AttuneOutboxGrowing"]],
  ["the outbox is large and shrinks", { outbox_messages: "90000-100x120" }, []],
  [
    "a queue refuses messages",
    { 'messages_refused{routing_key="event.created"}': "5x120" },
    ["AttuneMessagesRefused"],
  ],
  [
    "nobody receives enforcements",
    { 'routing_key_unroutable{routing_key="enforcement.created"}': "1x120" },
    ["AttuneEnforcementsUnroutable"],
  ],
  ["nobody wants to hear of rules", { 'routing_key_unroutable{routing_key="rule.updated"}': "1x120" }, []],
  ["a sensor has failed", { 'sensors{state="failed"}': "2x120" }, ["AttuneSensorFailed"]],
  [
    "a sensor is started again and again",
    { 'sensor_restarts_total{sensor_ref="my.sensor"}': "0+1x120" },
    ["AttuneSensorRestarting"],
  ],
  [
    "a sensor has fallen silent",
    { 'sensor_unusually_silent{sensor_ref="my.sensor"}': "1x120" },
    ["AttuneSensorSilent"],
  ],
  [
    "a sensor has never printed",
    { 'sensor_silent_seconds{sensor_ref="my.sensor"}': "0+60x120" },
    ["AttuneSensorNeverPrinted"],
  ],
  [
    "a sensor's events find no room",
    { 'sensor_stalled_seconds{sensor_ref="my.sensor"}': "0+60x120" },
    ["AttuneSensorHeldUp"],
  ],
  [
    "nothing that a sensor prints is an event",
    { 'sensor_events_total{sensor_ref="my.sensor"}': "7x120" },
    ["AttuneSensorOutputRejected"],
  ],
  ["events are refused", { events_refused_total: "4+1x120" }, ["AttuneEventsRefused"]],
  ["a rule cannot be used", { rules_invalid: "1x120" }, ["AttuneRulesInvalid"]],
  ["sensors pass to other workers", { leases_lost_total: "4+1x120" }, ["AttuneLeasesLost"]],
  ["events come too late", { events_fenced_total: "4+1x120" }, ["AttuneEventsFenced"]],
  ["there is room for no further sensor", { sensor_capacity_used: "10x120" }, ["AttuneNoRoomForSensors"]],
  ["there is room, because built-in sensors use none", { leases_held: "10x120" }, []],
  ["a sensor runs nowhere", { sensors_unplaced: "1x120" }, ["AttuneSensorUnplaced"]],
  [
    "stored rows are found to contradict each other",
    { 'invariant_violations_total{kind="enforcement_missing"}': "_x40 0+1x80" },
    ["AttuneInvariantViolated"],
  ],
  [
    "stored rows were found to contradict each other once, for the first time",
    { 'invariant_violations_total{kind="enforcement_missing"}': "_x40 1x80" },
    ["AttuneInvariantViolated"],
  ],
  [
    "contradictions were found hours ago",
    { 'invariant_violations_total{kind="enforcement_missing"}': "1x120" },
    [],
  ],
  [
    "payloads of a trigger change for the first time",
    { 'payload_drifts_total{trigger_ref="my.trigger"}': "_x40 1x80" },
    ["AttunePayloadDrift"],
  ],
  [
    "payloads of a trigger change again",
    { 'payload_drifts_total{trigger_ref="my.trigger"}': "3x40 4x80" },
    ["AttunePayloadDrift"],
  ],
  ["payloads changed hours ago", { 'payload_drifts_total{trigger_ref="my.trigger"}': "3x120" }, []],
  ["logs cannot be written", { log_lines_lost_total: "4+1x120" }, ["AttuneSensorLogsLost"]],
];

test("promtool accepts the rules and the example configuration", () => {
  for (const args of [
    ["check", "rules", "--lint-fatal", rulesFile],
    ["check", "config", "--lint-fatal", join(dockerDirectory, "prometheus/prometheus.yaml")],
  ]) {
    const { status, output } = promtool(args);

    expect(status, output).toBe(0);
  }
});

// Goal: each alert fires for its own problem and for no other.
// Method: promtool simulates 70 minutes of two agents that differ from healthy ones.
test("each alert fires only for its own problem", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-alerts-"));
  const file = join(directory.path, "alerts.test.json");
  writeFileSync(file, JSON.stringify({ rule_files: [rulesFile], tests: scenarios.map(promtoolTest) }));

  const { status, output } = promtool(["test", "rules", file]);

  expect(status, output).toBe(0);
});

test("every alert is raised in one of these scenarios", () => {
  const raised = new Set(scenarios.flatMap(([, , alerts]) => alerts));

  expect([...raised].toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
});

test("an alert has its numbers and names filled in", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-alerts-"));
  const file = join(directory.path, "texts.test.json");
  const labels = { job: "attune", instance: "one:9464" };
  const series = { outbox_age_seconds: "90x20", 'sensors{state="failed"}': "2x20", build_info: "1x20" };
  const said: Readonly<Record<string, readonly [object, string]>> = {
    AttuneMessagesLate: [{ job: "attune" }, "A stored message has waited for 1m 30s to be published"],
    AttuneSensorFailed: [{ ...labels, state: "failed" }, "2 sensors have failed on the agent at one:9464"],
  };
  const alertTests = Object.entries(said).map(([alertname, [own, summary]]) => {
    const rule = rules.find(({ alert }) => alert === alertname);
    return {
      eval_time: "15m",
      alertname,
      exp_alerts: [
        {
          exp_labels: { ...own, severity: rule?.labels.severity },
          exp_annotations: { summary, description: rule?.annotations.description },
        },
      ],
    };
  });
  const inputs = Object.entries(series).map(([name, values]) => ({ series: named(name, labels), values }));
  const tests = [{ interval: "1m", input_series: inputs, alert_rule_test: alertTests }];
  writeFileSync(file, JSON.stringify({ rule_files: [rulesFile], tests }));

  const { status, output } = promtool(["test", "rules", file]);

  expect(status, output).toBe(0);
});

test("every metric and label that the rules and their texts name exists", () => {
  const labelsByName = new Map(metrics.descriptions.map(({ name, labels }) => [name, labels]));

  for (const { alert, expr, annotations } of rules) {
    const texts = [expr, ...Object.values(annotations)].join(" ");
    const names = texts.match(/attune_sensor_agent_\w+/g) ?? [];
    if (alert !== "AttuneAgentDown") expect(names.length, alert).toBeGreaterThan(0);
    const known = ["job", "instance"];
    for (const name of names) {
      expect([...labelsByName.keys()], alert).toContain(name);
      known.push(...(labelsByName.get(name) ?? []));
    }
    const selected = [...expr.matchAll(/[{,]\s*(\w+)\s*=/g), ...texts.matchAll(/\$labels\.(\w+)/g)];
    for (const [, label = ""] of selected) expect(known, `${alert}: ${label}`).toContain(label);
  }
});

test("every description has full sentences with a remedy, and the summary is one line", () => {
  for (const { alert, annotations } of rules) {
    expect(annotations.summary, alert).toMatch(/^['\dA-Z{].{10,110}[^.]$/);
    expect(annotations.description, alert).toMatch(/^[A-Z].{40,}\.$/);
  }
});

test("docs/metrics.md lists exactly these alerts, with how long each waits", () => {
  const page = readFileSync(join(repositoryRoot, "docs/metrics.md"), "utf8");
  const documented = page
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .filter(([, name]) => /^`Attune\w+`$/.test(name ?? ""))
    .map((cells) => cells.slice(1, 4));

  expect(documented).toEqual(
    rules.map(({ alert, labels, for: wait = "" }) => [`\`${alert}\``, labels.severity, wait]),
  );
});

test("the example of a configuration scrapes all workers of the stack, where their settings open a port", () => {
  const example = decode(PrometheusConfig, readYaml("prometheus/prometheus.yaml")[0]);
  const { metrics: opened } = decode(Settings, readYaml("config/agent.yaml")[0]);

  const targets = example.scrape_configs.flatMap(({ static_configs: configs }) =>
    configs.flatMap((config) => config.targets),
  );

  expect(targets.toSorted()).toEqual(
    sensorServices("docker-compose.yaml")
      .map(([name]) => `${name}:${opened.port}`)
      .toSorted(),
  );
  for (const service of Object.values(composeServices("docker-compose.yaml")))
    expect(service).not.toHaveProperty("ports");
});

// Goal: users of the Prometheus Operator get the same rules.
// Method: run the page's command with a `kubectl` that only prints its input.
test("what the page pipes to kubectl is a PrometheusRule with these rules", () => {
  const page = readFileSync(join(repositoryRoot, "docs/metrics.md"), "utf8");
  const [, command = ""] = /```sh\n([^`]*prometheus\/alerts\.yaml[^`]*)```/.exec(page) ?? [];
  const script = `kubectl() { cat; }\n${command}`;

  const { status, stdout, stderr } = spawnSync("sh", ["-euc", script], {
    cwd: repositoryRoot,
    encoding: "utf8",
  });

  expect(status, stderr).toBe(0);
  const { spec, ...manifest } = decode(PrometheusRule, parse(stdout));
  expect(manifest).toEqual({
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PrometheusRule",
    metadata: { name: "attune-sensor-agent" },
  });
  expect(decode(Rules, spec).groups.flatMap((group) => group.rules)).toEqual(rules);
});

const PrometheusConfig = Type.Object({
  scrape_configs: Type.Array(
    Type.Object({ static_configs: Type.Array(Type.Object({ targets: Type.Array(Type.String()) })) }),
  ),
});

const Settings = Type.Object({ metrics: Type.Object({ port: Type.Integer() }) });

const PrometheusRule = Type.Object({
  apiVersion: Type.String(),
  kind: Type.String(),
  metadata: Type.Object({ name: Type.String() }),
  spec: Type.Unknown(),
});

function promtoolTest([name, changes, alerts]: (typeof scenarios)[number]): object {
  const series = Object.entries({ ...well, ...changes }).flatMap(([each, values]) =>
    ["one:9464", "two:9464"].map((instance) => ({
      series: named(each, { job: "attune", instance }),
      values,
    })),
  );
  return {
    name,
    interval: "1m",
    input_series: series,
    promql_expr_test: [
      {
        expr: 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0',
        eval_time: "70m",
        exp_samples: alerts.map((alertname) => ({ labels: `{alertname="${alertname}"}`, value: 1 })),
      },
    ],
  };
}

function named(series: string, labels: Readonly<Record<string, string>>): string {
  const [, name = "", own = ""] = /^(\w+)(?:\{(.*)\})?$/.exec(series) ?? [];
  const all = [own, ...Object.entries(labels).map(([label, value]) => `${label}="${value}"`)];
  return `${name === "up" ? "" : "attune_sensor_agent_"}${name}{${all.filter((each) => each !== "").join(",")}}`;
}

function promtool(args: readonly string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync("/usr/bin/promtool", args, { encoding: "utf8" });
  return { status, output: stdout + stderr };
}
