import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { requireInstalled } from "../../scripts/services/debian-packages.ts";
import { systemd } from "../../scripts/testing/requirements.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { readText, secondsAfterSensors } from "./deployment-files.ts";

const unit = readText("systemd/attune-sensor-agent.service");
const analyze = "/usr/bin/systemd-analyze";

/** Of the 10 that systemd counts, what is left: mainly network, /proc and the compiler in JavaScript's engine. */
const exposureMax = 2;

beforeAll(async () => {
  await requireInstalled(systemd);
});

test("systemd accepts the unit", () => {
  const { status, output } = analyzeUnit("verify", "--man=no");

  expect({ status, output }).toEqual({ status: 0, output: "" });
});

test("systemd rates it as well confined", () => {
  const { status, output } = analyzeUnit("security", "--offline=true", `--threshold=${exposureMax * 10}`);

  expect(output).toContain("Overall exposure level");
  expect(status, output).toBe(0);
});

test("it points to the installation page, where that page puts it", () => {
  const page = "docs/install.md";
  const commands = readFileSync(join(repositoryRoot, page), "utf8");
  const [, place] = /^sudo cp -r docs (\S+\/)\s/m.exec(commands) ?? [];

  expect(values("Documentation")).toEqual([`file:${place}${page}`]);
});

test("a stop asks the agent alone, and waits longer than the agent takes at most", () => {
  const { config } = loadConfig({
    flags: {},
    env: {},
    cwd: "/",
    hostname: "host",
    readFile: () => undefined,
  });

  expect(values("KillMode")).toEqual(["mixed"]);
  expect(Number.parseInt(values("TimeoutStopSec")[0] ?? "", 10)).toBeGreaterThan(
    config.sensor.shutdown_timeout + secondsAfterSensors,
  );
});

test("a failure is retried forever, a wrong call never", () => {
  expect(values("Restart")).toEqual(["on-failure"]);
  expect(values("StartLimitIntervalSec")).toEqual(["0"]);
  expect(values("RestartPreventExitStatus")).toEqual(["2"]);
});

test("it runs as a dynamic user, with its own folders, and passwords outside the unit", () => {
  expect(values("DynamicUser")).toEqual(["yes"]);
  expect(values("StateDirectory")).toEqual(["attune-sensor-agent"]);
  expect(values("LogsDirectory")).toEqual(["attune-sensor-agent"]);
  expect(values("EnvironmentFile")).toEqual(["/etc/attune/agent.env"]);
  expect(values("NoNewPrivileges")).toEqual(["yes"]);
  expect(values("CapabilityBoundingSet")).toEqual([""]);
});

test("a shell reads the same addresses from the environment file as systemd", () => {
  const url = "postgresql://me:p%26q@db/attune?sslmode=verify-full&application_name=a";
  const filled = readText("systemd/agent.env.example").replace("DATABASE__URL=''", `DATABASE__URL='${url}'`);
  const directory = mkdtempSync(join(tmpdir(), "attune-env-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, "agent.env"), filled);

  const { stdout, stderr } = spawnSync(
    "/bin/sh",
    ["-c", "set -a; . ./agent.env; exec printenv ATTUNE__DATABASE__URL"],
    { cwd: directory, encoding: "utf8" },
  );

  expect({ stdout, stderr }).toEqual({ stdout: `${url}\n`, stderr: "" });
});

test("the settings that come along keep everything in the folders that the unit makes", () => {
  const { config, warnings } = loadConfig({
    flags: { config: "/etc/attune/agent.yaml" },
    env: {},
    cwd: "/",
    hostname: "host",
    readFile: () => readText("systemd/agent.yaml"),
  });

  expect(warnings).toEqual([]);
  for (const directory of [config.data_dir, config.runtime_envs_dir, config.artifacts_dir]) {
    expect(directory).toMatch(/^\/var\/lib\/attune-sensor-agent\//);
  }
  expect(config.logs_dir).toBe("/var/log/attune-sensor-agent");
});

function values(key: string): readonly string[] {
  return [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value = ""]) => value);
}

function analyzeUnit(...args: readonly string[]): {
  readonly status: number | null;
  readonly output: string;
} {
  const directory = mkdtempSync(join(tmpdir(), "attune-unit-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "attune-sensor-agent.service");
  // A program that is there, in place of one that need not be installed here.
  writeFileSync(path, unit.replaceAll("/usr/local/bin/attune-sensor-agent", process.execPath));
  const { status, stdout, stderr } = spawnSync(analyze, [...args, path], { encoding: "utf8" });
  return { status, output: `${stdout}${stderr}` };
}
