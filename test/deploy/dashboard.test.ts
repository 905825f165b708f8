/** The Grafana dashboard: Prometheus reads its queries, and the metrics and labels they name exist. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Type } from "typebox";
import { beforeAll, expect, test } from "vitest";
import { requireInstalled } from "../../scripts/services/debian-packages.ts";
import { prometheus } from "../../scripts/testing/requirements.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { idleSources } from "../support/gauge-sources.ts";
import { decode, dockerDirectory } from "./deployment-files.ts";

const Dashboard = Type.Object({
  uid: Type.String(),
  title: Type.String(),
  templating: Type.Object({
    list: Type.Array(Type.Object({ name: Type.String(), type: Type.String(), query: Type.String() })),
  }),
  panels: Type.Array(
    Type.Object({
      id: Type.Integer(),
      title: Type.String(),
      type: Type.Enum(["row", "timeseries", "stat"]),
      gridPos: Type.Object({ h: Type.Integer(), w: Type.Integer(), x: Type.Integer(), y: Type.Integer() }),
      targets: Type.Optional(Type.Array(Type.Object({ refId: Type.String(), expr: Type.String() }))),
    }),
  ),
});

const dashboard = decode(
  Dashboard,
  JSON.parse(readFileSync(join(dockerDirectory, "grafana/dashboard.json"), "utf8")),
);
const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ title, expr })),
);

const metrics = createMetrics({ version: "1.2.3", withProcess: true });
metrics.observe(idleSources);

beforeAll(async () => {
  await requireInstalled(prometheus);
});

test("Prometheus reads every query", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-dashboard-"));
  const file = join(directory.path, "queries.json");
  const rules = queries.map(({ expr }, index) => ({
    record: `query_${index}`,
    // What Grafana puts in.
    expr: expr.replaceAll("$__rate_interval", "1m").replaceAll(/\$(?:job|instance)/g, ".*"),
  }));
  writeFileSync(file, JSON.stringify({ groups: [{ name: "dashboard", rules }] }));

  const { status, stdout, stderr } = spawnSync("/usr/bin/promtool", ["check", "rules", file], {
    encoding: "utf8",
  });

  expect(status, stdout + stderr).toBe(0);
  expect(rules.length).toBeGreaterThan(20);
});

test("every metric and label that a query names exists", async () => {
  const labelsByName = new Map(metrics.descriptions.map(({ name, labels }) => [name, labels]));
  const ofProcess = new Set((await metrics.text()).match(/^process_\w+/gm));
  const variables = dashboard.templating.list.map(({ name, query }) => ({ title: name, expr: query }));
  for (const { title, expr } of [...queries, ...variables]) {
    const names = [...expr.matchAll(/attune_sensor_agent_\w+/g)].map(([name]) =>
      name.replace(/_bucket$/, ""),
    );
    for (const name of names) expect([...labelsByName.keys()], title).toContain(name);
    for (const [name] of expr.matchAll(/process_\w+/g)) expect([...ofProcess], title).toContain(name);
    const known = ["job", "instance", "le", ...names.flatMap((name) => labelsByName.get(name) ?? [])];
    const labels = [
      ...[...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(/,\s*/)),
      ...[...expr.matchAll(/[{,]\s*(\w+)=/g)].map(([, label = ""]) => label),
    ];
    for (const label of labels) expect(known, `${title}: ${label}`).toContain(label);
  }
});

test("panels have ids and places of their own, within Grafana's 24 columns", () => {
  const ids = dashboard.panels.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const taken = new Set<string>();
  for (const { title, gridPos } of dashboard.panels) {
    expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        expect(taken, title).not.toContain(`${x} ${y}`);
        taken.add(`${x} ${y}`);
      }
  }
});
